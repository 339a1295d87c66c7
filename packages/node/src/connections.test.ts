import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { until } from "../test/support/eventually.ts";
import { get } from "../test/support/http-client.ts";
import { Connections } from "./connections.ts";

it("counts what is under way, also where somebody else counts on the same server", async () => {
  const held: ServerResponse[] = [];
  const server = createServer((_, response) => void held.push(response));
  const [first, second] = [new Connections(server), new Connections(server)];
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const answers = [get(url), get(url), get(url)];
  await until(() => held.length === 3);
  expect([first.counts.active, second.counts.active]).toEqual([3, 3]);
  held[0]?.end();
  await until(() => first.counts.active === 2 && second.counts.active === 2);
  for (const response of held) response.end();
  await Promise.all(answers);
  await until(() => first.counts.active === 0 && second.counts.active === 0);
  await first.close();
});
