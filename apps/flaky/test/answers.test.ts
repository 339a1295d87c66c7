import { describe, expect, it } from "vitest";
import { countsBecome, errorOf, failureCode, leavableFetch, setMode, startFlaky } from "./support.ts";

describe("/", () => {
  it("lists the routes", async () => {
    const { url } = await startFlaky();
    const { routes } = (await (await fetch(url)).json()) as { readonly routes: Record<string, string> };
    expect(Object.keys(routes)).toContain("/status/:code");
  });

  it("says where the list is when a route does not exist", async () => {
    const { url } = await startFlaky();
    const response = await fetch(`${url}/nowhere`);
    expect(response.status).toBe(404);
    expect(await errorOf(response)).toBe("there is no GET /nowhere: GET / lists the routes");
  });
});

describe("/status/:code", () => {
  it.each([200, 201, 299, 301, 404, 418, 429, 500, 503, 599])("answers %i", async (status) => {
    const { url } = await startFlaky();
    const response = await fetch(`${url}/status/${status}`, { redirect: "manual" });
    expect(response.status).toBe(status);
    expect(await response.json()).toEqual({ status });
  });

  it.each([204, 205, 304])("answers %i without a body", async (status) => {
    const { url } = await startFlaky();
    const response = await fetch(`${url}/status/${status}`);
    expect(response.status).toBe(status);
    expect(await response.text()).toBe("");
  });

  it.each(["199", "600", "abc", "20.5", "-200", "1e3", "0x1ff"])("refuses %s", async (code) => {
    const { url } = await startFlaky();
    const response = await fetch(`${url}/status/${code}`);
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toBe(
      `\`code\` in /status/:code must be an integer from 200 to 599, got ${JSON.stringify(code)}`,
    );
  });

  it.each(["POST", "PUT", "DELETE", "PATCH"])("answers %s with a body too", async (method) => {
    const { url } = await startFlaky();
    const response = await fetch(`${url}/status/202`, { method, body: "x".repeat(100_000) });
    expect(response.status).toBe(202);
  });
});

describe("/slow/:ms", () => {
  it("answers after the time asked for", async () => {
    const { url } = await startFlaky();
    const startedAt = performance.now();
    const response = await fetch(`${url}/slow/40`);
    // Timers may be early by a fraction of a millisecond.
    expect(performance.now() - startedAt).toBeGreaterThan(38);
    expect(await response.json()).toEqual({ waitedMs: 40 });
  });

  it.each(["600001", "soon"])("refuses %s", async (ms) => {
    const { url } = await startFlaky();
    const response = await fetch(`${url}/slow/${ms}`);
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toBe(
      `\`ms\` in /slow/:ms must be an integer from 0 to 600000, got ${JSON.stringify(ms)}`,
    );
  });

  it("stops waiting when the client leaves", async () => {
    const flaky = await startFlaky();
    const { leave, outcome } = leavableFetch(`${flaky.url}/slow/600000`);
    await countsBecome(flaky, { inFlight: 1 });
    leave();
    expect(await outcome).toBe("left");
    await countsBecome(flaky, { inFlight: 0, abandoned: 1, served: 0 });
  });
});

describe("/hang", () => {
  it("ends with its client", async () => {
    const flaky = await startFlaky();
    const { leave } = leavableFetch(`${flaky.url}/hang`);
    await countsBecome(flaky, { inFlight: 1 });
    leave();
    await countsBecome(flaky, { inFlight: 0, abandoned: 1 });
  });

  it("answers 504 at the longest time a request is kept", async () => {
    const { url } = await startFlaky({ maxHangMs: 10 });
    const response = await fetch(`${url}/hang`);
    expect(response.status).toBe(504);
    expect(await errorOf(response)).toBe("hung for 10 ms, the longest this server keeps a request");
  });
});

describe("/drop", () => {
  it("resets the connection", async () => {
    const { url } = await startFlaky();
    expect(await failureCode(fetch(`${url}/drop`))).toBe("ECONNRESET");
  });

  it("leaves other connections alone", async () => {
    const flaky = await startFlaky();
    await setMode(flaky, { hang: true });
    const other = fetch(`${flaky.url}/status/200`);
    await countsBecome(flaky, { inFlight: 1 });
    const dropped = failureCode(fetch(`${flaky.url}/drop`));
    await countsBecome(flaky, { inFlight: 2 });
    await setMode(flaky, {});
    expect(await dropped).toBe("ECONNRESET");
    expect((await other).status).toBe(200);
  });
});

describe("/flaky/:ratio", () => {
  it("fails when chance falls below the ratio", async () => {
    const chances = [0.29, 0.3, 0.99, 0];
    const { url } = await startFlaky({ random: () => chances.shift() ?? 1 });
    const statuses: number[] = [];
    while (chances.length > 0) statuses.push((await fetch(`${url}/flaky/0.3`)).status);
    expect(statuses).toEqual([503, 200, 200, 503]);
  });

  it.each(["0", "0.0", ".0"])("never fails at %s", async (ratio) => {
    const { url } = await startFlaky({ random: () => 0 });
    expect((await fetch(`${url}/flaky/${ratio}`)).status).toBe(200);
  });

  it.each(["1", "1.0"])("always fails at %s", async (ratio) => {
    const { url } = await startFlaky({ random: () => 0.999_999 });
    const response = await fetch(`${url}/flaky/${ratio}`);
    expect(response.status).toBe(503);
    expect(await errorOf(response)).toBe("failed on demand: the ratio is 1");
  });

  it.each(["1.01", "-0.5", "often", "5."])("refuses %s", async (ratio) => {
    const { url } = await startFlaky();
    const response = await fetch(`${url}/flaky/${ratio}`);
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toBe(
      `\`ratio\` in /flaky/:ratio must be a number from 0 to 1, got ${JSON.stringify(ratio)}`,
    );
  });
});
