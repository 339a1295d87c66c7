// Real processes and real signals.
import { Agent } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { eventually, until } from "./support/eventually.ts";
import { endFixtures, type Fixture, startFixture } from "./support/fixture.ts";
import { get } from "./support/http-client.ts";

afterEach(endFixtures);

async function started(drainTimeoutMs: number, graceMs = 200): Promise<Fixture & { url: string }> {
  const server = startFixture("shutdown-server", [drainTimeoutMs, graceMs].map(String));
  const url = await eventually(() => server.lines().find((line) => line.startsWith("http:")));
  return { ...server, url };
}

/** Sends requests as long as the server says that it is ready, and then those that were still to be sent. */
async function sendWhileReady(url: string, agent: Agent | false, began: () => void): Promise<number> {
  let sent = 0;
  for (let ready = true; ready; sent++) {
    if (sent === 10) began();
    ready = (await get(`${url}/readyz`, agent)).status === 200;
    expect((await get(`${url}/slow`, agent)).status).toBe(200);
  }
  return sent;
}

describe("gracefulShutdown in a process", () => {
  it("loses no request of clients that watch its readiness", async () => {
    // Longer than a client on a busy machine takes from one request to the next.
    const server = await started(5000, 2000);
    const clients = [new Agent({ keepAlive: true }), new Agent({ keepAlive: true }), false as const, false as const];
    const busy = clients.map(() => Promise.withResolvers<void>());
    const all = Promise.all(clients.map((agent, i) => sendWhileReady(server.url, agent, () => busy[i]?.resolve())));
    await Promise.all(busy.map(({ promise }) => promise));
    server.kill("SIGTERM");
    expect(Math.min(...(await all))).toBeGreaterThan(10);
    expect(await server.ended).toBe(0);
    expect(server.lines().slice(1)).toEqual(
      ["grace", "draining", "flushing"].map((phase) => `${phase} SIGTERM`).concat("flush", "done SIGTERM"),
    );
    expect(server.errors()).toBe("");
  });

  it("cuts off what outlasts the deadline and still ends with 0", async () => {
    const server = await started(50);
    const hanging = get(`${server.url}/hang`).catch((error: Error) => error);
    await get(server.url);
    server.kill("SIGINT");
    expect(await server.ended).toBe(0);
    expect(await hanging).toMatchObject({ code: "ECONNRESET" });
    expect(server.lines()).toContain("aborting SIGINT");
  });

  it("ends at once with 1 on a second signal", async () => {
    const server = await started(60_000);
    get(`${server.url}/hang`).catch(() => {});
    await get(server.url);
    server.kill("SIGTERM");
    await until(() => server.lines().includes("draining SIGTERM"));
    server.kill("SIGTERM");
    expect(await server.ended).toBe(1);
    expect(server.lines()).not.toContain("flush");
  });
});
