import { describe, expect, it } from "vitest";
import type { ServedFlaky } from "../src/node.ts";
import { countsBecome, errorOf, leavableFetch, report, setMode, startFlaky } from "./support.ts";

/** Sends requests one after the other so that they queue in that order; the names appear as they are answered. */
async function queueUp(
  flaky: ServedFlaky,
  names: readonly string[],
): Promise<{ answered: string[]; all: Promise<void> }> {
  const answered: string[] = [];
  const waiting: Promise<void>[] = [];
  const { queued } = (await report(flaky)).counts;
  for (const [index, name] of names.entries()) {
    waiting.push(
      fetch(`${flaky.url}/slow/5`).then(async (response) => {
        await response.text();
        answered.push(name);
      }),
    );
    await countsBecome(flaky, { queued: queued + index + 1 });
  }
  return { answered, all: Promise.all(waiting).then(() => {}) };
}

describe("capacity", () => {
  it("serves so many at the same time, the others in order of arrival", async () => {
    const flaky = await startFlaky();
    await setMode(flaky, { capacity: 1 });
    const first = leavableFetch(`${flaky.url}/hang`);
    await countsBecome(flaky, { inFlight: 1 });
    const { answered, all } = await queueUp(flaky, ["a", "b", "c", "d"]);
    expect((await report(flaky)).counts).toMatchObject({ inFlight: 1, queued: 4, served: 0 });
    first.leave();
    await all;
    expect(answered).toEqual(["a", "b", "c", "d"]);
    await countsBecome(flaky, { inFlight: 0, queued: 0, served: 4, abandoned: 1 });
  });

  it("never serves more at the same time, and uses every place", async () => {
    const flaky = await startFlaky();
    await setMode(flaky, { capacity: 3, hang: true });
    const all = Promise.all(Array.from({ length: 12 }, () => fetch(`${flaky.url}/slow/10`)));
    await countsBecome(flaky, { inFlight: 3, queued: 9 });
    const seen = [(await setMode(flaky, { capacity: 3 })).counts.inFlight];
    for (;;) {
      const { inFlight, served } = (await report(flaky)).counts;
      if (served === 12) break;
      seen.push(inFlight);
    }
    expect(Math.max(...seen)).toBe(3);
    expect((await all).every(({ status }) => status === 200)).toBe(true);
  });

  it("gives up the place in the queue of a client that leaves", async () => {
    const flaky = await startFlaky();
    await setMode(flaky, { capacity: 1 });
    const first = leavableFetch(`${flaky.url}/hang`);
    await countsBecome(flaky, { inFlight: 1 });
    const leaver = leavableFetch(`${flaky.url}/hang`);
    await countsBecome(flaky, { queued: 1 });
    const { answered, all } = await queueUp(flaky, ["behind"]);
    leaver.leave();
    await countsBecome(flaky, { queued: 1, abandoned: 1 });
    first.leave();
    await all;
    expect(answered).toEqual(["behind"]);
    await countsBecome(flaky, { inFlight: 0, served: 1, abandoned: 2 });
  });

  it("refuses with 503 after the longest wait", async () => {
    const flaky = await startFlaky({ maxQueueMs: 15 });
    await setMode(flaky, { capacity: 1 });
    const first = leavableFetch(`${flaky.url}/hang`);
    await countsBecome(flaky, { inFlight: 1 });
    const response = await fetch(`${flaky.url}/status/200`);
    expect(response.status).toBe(503);
    expect(await errorOf(response)).toBe("no place: waited 15 ms in the queue");
    await countsBecome(flaky, { inFlight: 1, queued: 0, refused: 1 });
    first.leave();
  });

  it("keeps the place while a body is being sent", async () => {
    const flaky = await startFlaky();
    await setMode(flaky, { capacity: 1 });
    const streaming = await fetch(`${flaky.url}/bytes/1073741824`);
    const { answered, all } = await queueUp(flaky, ["next"]);
    await streaming.body?.cancel();
    await all;
    expect(answered).toEqual(["next"]);
  });

  it("gives the place back after a refused request, an error and a dropped connection", async () => {
    const flaky = await startFlaky();
    await setMode(flaky, { capacity: 1 });
    await fetch(`${flaky.url}/status/1`);
    await fetch(`${flaky.url}/nowhere`);
    await fetch(`${flaky.url}/drop`).catch(() => {});
    await countsBecome(flaky, { inFlight: 0, served: 3 });
    expect((await fetch(`${flaky.url}/status/200`)).status).toBe(200);
  });

  it("lets the queue in when it grows, and throws nobody out when it shrinks", async () => {
    const flaky = await startFlaky();
    await setMode(flaky, { capacity: 1 });
    const clients = ["/hang", "/hang", "/hang", "/hang"].map((path) => leavableFetch(flaky.url + path));
    await countsBecome(flaky, { inFlight: 1, queued: 3 });
    expect((await setMode(flaky, { capacity: 3 })).counts).toMatchObject({ inFlight: 3, queued: 1 });
    expect((await setMode(flaky, { capacity: 2 })).counts).toMatchObject({ inFlight: 3, queued: 1 });
    expect((await setMode(flaky, {})).counts).toMatchObject({ inFlight: 4, queued: 0 });
    for (const client of clients) client.leave();
    await countsBecome(flaky, { inFlight: 0, abandoned: 4 });
  });

  it("starts from nothing after a reset, whoever is still being served", async () => {
    const flaky = await startFlaky();
    await setMode(flaky, { capacity: 1 });
    const stuck = leavableFetch(`${flaky.url}/hang`);
    await countsBecome(flaky, { inFlight: 1 });
    const queued = fetch(`${flaky.url}/status/200`);
    await countsBecome(flaky, { queued: 1 });
    await fetch(`${flaky.url}/_mode`, { method: "DELETE" });
    expect((await queued).status).toBe(200);
    await setMode(flaky, { capacity: 1 });
    expect((await fetch(`${flaky.url}/status/200`)).status).toBe(200);
    stuck.leave();
    expect(await stuck.outcome).toBe("left");
    await countsBecome(flaky, { inFlight: 0, served: 1, abandoned: 0 });
  });
});
