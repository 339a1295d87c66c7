// The usual way to write a proxy with Hono: its proxy helper over the global fetch.
import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { proxy } from "hono/proxy";
import { announce } from "../child.ts";

const upstream = `http://127.0.0.1:${process.argv[2]}`;
const app = new Hono();
app.all("*", (c) => proxy(`${upstream}${c.req.path}`, c.req.raw));

serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }: AddressInfo) => announce(port));
