// A route that has more to do than it can, on each runtime: who matters is served, and the gateway's own pages answer.
import { afterEach, describe, expect, it } from "vitest";
import { startOnNode, startOnWorkerd } from "./support/gateways.ts";
import { HeldUpstream } from "./support/held-upstream.ts";
import { send } from "./support/http-client.ts";

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

const configFor = (upstream: string, trustPriority: boolean) => ({
  routes: [
    {
      name: "orders",
      pathPrefix: "/orders",
      upstream,
      retry: { maxAttempts: 1 },
      timeout: { timeoutMs: 55_000 },
      concurrencyLimit: { maxConcurrent: 4, maxQueue: 1000, maxWaitMs: 50_000 },
      loadShed: { enabled: true, trustPriority },
    },
  ],
});

describe.each([
  ["Node", startOnNode],
  ["workerd", startOnWorkerd],
] as const)("a route with too much to do, behind the gateway on %s", (_, start) => {
  it("turns the lowest class away first, and never its own pages", async () => {
    const upstream = new HeldUpstream();
    const gateway = await start(configFor(await upstream.listen(), true));
    opened.push(gateway, upstream);
    let asked = 0;
    const ask = async (priority: string) => {
      const answer = await send(`${gateway.url}/orders/${asked++}`, { headers: { priority } });
      const text = Buffer.from(answer.body).toString();
      const said = answer.status === 200 ? "200" : (JSON.parse(text) as { code: string }).code;
      return { said: `${priority} ${said}`, retryAfter: new Map(answer.headers).get("retry-after") };
    };
    // So many as are no overload yet, however slowly they come.
    const usual = Array.from({ length: 6 }, () => ask("u=3, i"));
    await expect.poll(() => upstream.running).toBe(4);
    // The queue fills with what nobody answers; what comes then is turned away within a second or two.
    const refused: Awaited<ReturnType<typeof ask>>[] = [];
    const batch: Promise<unknown>[] = [];
    const enough = () => {
      batch.push(ask("u=7").then((answer) => upstream.answering || refused.push(answer)));
      return refused.length;
    };
    await expect.poll(enough, { interval: 50 }).toBeGreaterThan(5);
    expect(new Set(refused.map(({ said }) => said))).toEqual(new Set(["u=7 ERR_LOAD_SHED"]));
    expect(refused.every(({ retryAfter }) => Number(retryAfter) >= 1)).toBe(true);
    expect((await send(`${gateway.url}/livez`)).status).toBe(200);
    expect((await send(`${gateway.url}/readyz`)).status).toBe(200);

    const critical = ask("u=2");
    upstream.answering = true;
    const running = await Promise.all(upstream.arrived.slice(0, 4).map((path) => upstream.exchange(path)));
    // The upstream is told the class, in the words of this gateway.
    expect(running.map(({ request }) => request.headers["priority"])).toEqual(Array(4).fill("u=3"));
    for (const { response } of running) response.end();
    expect((await critical).said).toBe("u=2 200");
    for (const { said } of await Promise.all(usual)) expect(said).toBe("u=3, i 200");
    await Promise.all(batch);
  });

  it("believes no client's Priority unless it is told to", async () => {
    const upstream = new HeldUpstream();
    const gateway = await start(configFor(await upstream.listen(), false));
    opened.push(gateway, upstream);
    const answer = send(`${gateway.url}/orders/1`, { headers: { priority: "u=0" } });
    const again = send(`${gateway.url}/orders/2`, { headers: { priority: "u=0", "x-envoy-attempt-count": "2" } });
    const priorities = ["/1", "/2"].map(async (path) => {
      const { request, response } = await upstream.exchange(path);
      response.end();
      return request.headers["priority"];
    });
    expect(await Promise.all(priorities)).toEqual(["u=3", "u=5"]);
    await Promise.all([answer, again]);
  });
});
