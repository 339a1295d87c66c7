// What the gateway on Node says in /metrics about the requests that it serves.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type NodeTestGateway, startOnNode } from "./support/gateways.ts";
import { HeldUpstream } from "./support/held-upstream.ts";
import { eventually, openResponse, send } from "./support/http-client.ts";

const upstream = createServer((request, response) => {
  if (request.url === "/gone") return void request.socket.destroy();
  response.writeHead(request.url === "/bad" ? 502 : 200).end("x".repeat(70_000));
});
const held = new HeldUpstream();
let gateway: NodeTestGateway;

beforeAll(async () => {
  await new Promise<void>((listening) => upstream.listen(0, "127.0.0.1", listening));
  const { port } = upstream.address() as AddressInfo;
  const once = { retry: { maxAttempts: 1 }, circuitBreaker: { maxFailures: 1000 } };
  gateway = await startOnNode({
    routes: [
      { name: "shop", pathPrefix: "/shop", upstream: `http://127.0.0.1:${port}`, methods: ["GET", "POST"], ...once },
      { name: "held", pathPrefix: "/held", upstream: await held.listen(), ...once },
    ],
  });
});

afterAll(async () => {
  await gateway.close();
  await held.close();
  await new Promise((closed) => upstream.close(closed));
});

/** The lines of `/metrics` that begin so. */
async function metrics(begin: string): Promise<string[]> {
  const { body } = await send(`${gateway.url}/metrics`);
  return Buffer.from(body)
    .toString()
    .split("\n")
    .filter((line) => line.startsWith(begin));
}

const served = async (): Promise<Record<string, number>> =>
  Object.fromEntries(
    (await metrics("http_server_request_duration_seconds_count"))
      .filter((line) => !line.includes('"/metrics"'))
      .map((line) => {
        const { method, route, status, type } =
          /request_method="(?<method>\w+)",.*?(?:http_route="(?<route>[^"]*)",)?http_response_status_code="(?<status>\d+)"(?:,error_type="(?<type>\w+)")?/.exec(
            line,
          )?.groups ?? {};
        return [[method, route, status, type].filter(Boolean).join(" "), Number(line.split(" ").at(-1))];
      }),
  );

describe("http.server.request.duration", () => {
  it("counts every request by known method, route and status, and nothing that clients invent", async () => {
    const sent: [string, string, number][] = [
      ["GET", "/shop/a", 3],
      ["GET", "/shop/b?c=1", 2],
      ["POST", "/shop/a", 1],
      ["GET", "/shop/bad", 2],
      ["GET", "/shop/gone", 1],
      ["PURGE", "/shop/a", 1],
      ["GET", "/nowhere/1", 1],
      ["GET", "/nowhere/2", 1],
      ["GET", "/livez", 1],
    ];
    for (const [method, path, times] of sent)
      for (let i = 0; i < times; i++) await send(gateway.url + path, { method });
    const all = await eventually(async () => {
      const seen = await served();
      const sum = Object.values(seen).reduce((a, b) => a + b, 0);
      return sum >= 13 ? seen : undefined;
    });
    expect(all).toEqual({
      "GET /shop/* 200": 5,
      "POST /shop/* 200": 1,
      "GET /shop/* 502 502": 3,
      "_OTHER /shop/* 405": 1,
      "GET 404": 2,
      "GET /livez 200": 1,
    });
  });

  it("ends with the body, until which the request is active; also when the client leaves", async () => {
    const opened = openResponse(`${gateway.url}/held/stream`);
    const response = await held.take("/stream");
    response.writeHead(200).write("begun");
    const socket = await opened;
    const active = () => metrics('http_server_active_requests{http_request_method="GET"');
    // The request for the metrics is one itself; one that has been answered is counted until its connection has closed.
    await expect.poll(async () => (await active())[0]).toMatch(/ 2$/);
    expect(await served()).not.toHaveProperty("GET /held/* 200");
    socket.destroy();
    await eventually(async () => ((await active())[0]?.endsWith(" 1") === true ? true : undefined));
    expect(await served()).toHaveProperty("GET /held/* 200", 1);
  });
});
