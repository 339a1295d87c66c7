import { describe, expect, it } from "vitest";
import { countsBecome, errorOf, leavableFetch, report, setMode, startFlaky } from "./support.ts";

const defaultMode = { latencyMs: 0, errorRatio: 0, hang: false, capacity: null };
const noCounts = { inFlight: 0, queued: 0, served: 0, refused: 0, abandoned: 0 };

describe("/_mode", () => {
  it("shows the mode and the counts", async () => {
    const flaky = await startFlaky();
    expect(await report(flaky)).toEqual({ mode: defaultMode, counts: noCounts });
  });

  it("sets what is given and resets the rest", async () => {
    const flaky = await startFlaky();
    await setMode(flaky, { latencyMs: 5, capacity: 3 });
    const { mode } = await setMode(flaky, { errorRatio: 0.5 });
    expect(mode).toEqual({ ...defaultMode, errorRatio: 0.5 });
    expect((await report(flaky)).mode).toEqual(mode);
  });

  it("accepts the mode that it shows", async () => {
    const flaky = await startFlaky();
    const { mode } = await setMode(flaky, { latencyMs: 5 });
    expect((await setMode(flaky, mode)).mode).toEqual(mode);
  });

  it("is reset by DELETE, counts included", async () => {
    const flaky = await startFlaky();
    await setMode(flaky, { latencyMs: 1, errorRatio: 1 });
    await fetch(`${flaky.url}/status/200`);
    const response = await fetch(`${flaky.url}/_mode`, { method: "DELETE" });
    expect(await response.json()).toEqual({ mode: defaultMode, counts: noCounts });
    expect((await fetch(`${flaky.url}/status/200`)).status).toBe(200);
  });

  it.each([
    [
      '{"latency":1}',
      "`mode.latency` must be left out: the known keys are latencyMs, errorRatio, hang, capacity, got 1",
    ],
    [
      '{"toString":1}',
      "`mode.toString` must be left out: the known keys are latencyMs, errorRatio, hang, capacity, got 1",
    ],
    [
      '{"__proto__":{}}',
      "`mode.__proto__` must be left out: the known keys are latencyMs, errorRatio, hang, capacity, got {}",
    ],
    ['{"latencyMs":"1"}', '`mode.latencyMs` must be an integer from 0 to 600000, got "1"'],
    ['{"latencyMs":-1}', "`mode.latencyMs` must be an integer from 0 to 600000, got -1"],
    ['{"latencyMs":1.5}', "`mode.latencyMs` must be an integer from 0 to 600000, got 1.5"],
    ['{"latencyMs":600001}', "`mode.latencyMs` must be an integer from 0 to 600000, got 600001"],
    ['{"latencyMs":null}', "`mode.latencyMs` must be an integer from 0 to 600000, got null"],
    ['{"errorRatio":1.1}', "`mode.errorRatio` must be a number from 0 to 1, got 1.1"],
    ['{"errorRatio":true}', "`mode.errorRatio` must be a number from 0 to 1, got true"],
    ['{"hang":1}', "`mode.hang` must be true or false, got 1"],
    ['{"capacity":0}', "`mode.capacity` must be an integer from 1 to 10000, or null for no limit, got 0"],
    ['{"capacity":[2]}', "`mode.capacity` must be an integer from 1 to 10000, or null for no limit, got [2]"],
    ["[]", "the mode must be a JSON object, got []"],
    ["null", "the mode must be a JSON object, got null"],
    ["hang", 'the mode must be a JSON object, got "hang"'],
    ["", 'the mode must be a JSON object, got ""'],
  ])("refuses %s and keeps the mode", async (body, message) => {
    const flaky = await startFlaky();
    const { mode } = await setMode(flaky, { latencyMs: 7 });
    const response = await fetch(`${flaky.url}/_mode`, { method: "PUT", body });
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toBe(message);
    expect((await report(flaky)).mode).toEqual(mode);
  });

  it("refuses a body that is too large", async () => {
    const { url } = await startFlaky();
    const response = await fetch(`${url}/_mode`, { method: "PUT", body: " ".repeat(16_385) });
    expect(response.status).toBe(413);
  });

  it("names the methods it takes", async () => {
    const { url } = await startFlaky();
    const response = await fetch(`${url}/_mode`, { method: "POST", body: "{}" });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("GET, PUT, DELETE");
  });

  it("belongs to one instance", async () => {
    const [one, other] = [await startFlaky(), await startFlaky()];
    await setMode(one, { errorRatio: 1 });
    expect((await fetch(`${one.url}/status/200`)).status).toBe(503);
    expect((await fetch(`${other.url}/status/200`)).status).toBe(200);
  });
});

describe("latencyMs", () => {
  it("delays every answer", async () => {
    const flaky = await startFlaky();
    await setMode(flaky, { latencyMs: 40 });
    const startedAt = performance.now();
    await fetch(`${flaky.url}/status/200`);
    expect(performance.now() - startedAt).toBeGreaterThan(38);
  });

  it("ends for those who wait when the mode changes", async () => {
    const flaky = await startFlaky();
    await setMode(flaky, { latencyMs: 600_000, errorRatio: 1 });
    const waiting = fetch(`${flaky.url}/status/200`);
    await countsBecome(flaky, { inFlight: 1 });
    await fetch(`${flaky.url}/_mode`, { method: "DELETE" });
    expect((await waiting).status).toBe(200);
  });
});

describe("errorRatio", () => {
  it("fails when chance falls below it, on any route", async () => {
    const chances = [0.1, 0.6, 0.4];
    const flaky = await startFlaky({ random: () => chances.shift() ?? 1 });
    await setMode(flaky, { errorRatio: 0.5 });
    const statuses: number[] = [];
    for (const path of ["/echo", "/bytes/10", "/"]) statuses.push((await fetch(flaky.url + path)).status);
    expect(statuses).toEqual([503, 200, 503]);
  });
});

describe("hang", () => {
  it("holds requests until a new mode lets them answer normally", async () => {
    const flaky = await startFlaky();
    await setMode(flaky, { hang: true });
    const hanging = [fetch(`${flaky.url}/status/201`), fetch(`${flaky.url}/bytes/3`)];
    await countsBecome(flaky, { inFlight: 2 });
    await setMode(flaky, { errorRatio: 1 });
    expect((await Promise.all(hanging)).map(({ status }) => status)).toEqual([201, 200]);
    await countsBecome(flaky, { inFlight: 0, served: 2 });
  });

  it("lets a client leave", async () => {
    const flaky = await startFlaky();
    await setMode(flaky, { hang: true });
    const { leave } = leavableFetch(`${flaky.url}/status/200`);
    await countsBecome(flaky, { inFlight: 1 });
    leave();
    await countsBecome(flaky, { inFlight: 0, abandoned: 1 });
  });

  it("ends at the longest time a request is kept", async () => {
    const flaky = await startFlaky({ maxHangMs: 10 });
    await setMode(flaky, { hang: true });
    expect((await fetch(`${flaky.url}/status/200`)).status).toBe(504);
  });
});
