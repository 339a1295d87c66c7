// Two Workers on real workerd whose metrics one Durable Object adds up: two isolates, whose messages get lost.
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { eventually, get, getJson, send } from "./support/http.ts";
import { bundle, type RunningWorkers, startSharing } from "./support/workerd.ts";

interface Totals {
  readonly ok: number;
  readonly active?: number;
  readonly latency: readonly number[];
}

interface Push {
  readonly startTimeMs: number;
  readonly instanceId: string;
  readonly totals: Totals;
}

let script: string;
let workers: RunningWorkers;
let first = "";
let second = "";
let storage: string;
const pushes: Push[] = [];
/** Whether the collector answers. */
let answers = true;
let collector: Server;

const count = (url: string, times: number, query = ""): Promise<unknown> =>
  Promise.all(Array.from({ length: times }, () => get(`${url}/count${query}`)));
const treat = (how: string): Promise<unknown> => get(`${first}/treat?${how}`);
/** Asked again where the object has taken longer to answer than it may. */
const totals = (url = first): Promise<Totals> =>
  eventually(
    () => getJson<Totals>(`${url}/totals`).catch(() => undefined),
    (found) => found !== undefined,
  ) as Promise<Totals>;
const flushes = (url: string): Promise<{ flushes: number; failures: number }> => getJson(`${url}/flushes`);

async function start(): Promise<void> {
  workers = await startSharing(
    script,
    { COLLECTOR: `http://127.0.0.1:${(collector.address() as AddressInfo).port}` },
    { resourcePersistencePath: storage },
  );
  [first = "", second = ""] = workers.urls;
}

/** What both have counted, without asking either for what it has not told yet. */
const pushed = (ok: number): Promise<Push | undefined> =>
  eventually(
    async () => pushes.at(-1),
    (push) => push?.totals.ok === ok,
  );

beforeAll(async () => {
  script = await bundle("./metrics.worker.ts");
});

beforeEach(async () => {
  storage = mkdtempSync(join(tmpdir(), "headgate-metrics-"));
  pushes.length = 0;
  answers = true;
  collector = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => (body += text));
    request.on("end", () => {
      pushes.push(JSON.parse(body) as Push);
      if (answers) response.end();
    });
  });
  await new Promise<void>((listening) => collector.listen(0, "127.0.0.1", listening));
  await start();
  return async () => {
    await workers.close();
    collector.closeAllConnections();
    await new Promise((closed) => collector.close(closed));
    rmSync(storage, { recursive: true, force: true });
  };
});

describe("durableMetrics of two isolates", () => {
  it("adds up exactly what both count at once, in few messages", async () => {
    await treat("take");
    for (let round = 0; round < 5; round++) await Promise.all([count(first, 30), count(second, 20)]);
    const push = await pushed(250);
    expect(push?.totals).toMatchObject({ ok: 250, active: 0, latency: [250, 250, 0] });
    expect(await getJson<number>(`${first}/messages`)).toBeLessThan(125);
    expect(await totals()).toEqual(await totals(second));
    expect(new Set(pushes.map(({ instanceId }) => instanceId)).size).toBe(1);
    expect(new Set(pushes.map(({ startTimeMs }) => startTimeMs)).size).toBe(1);
  });

  it.each(["lose-message", "lose-answer", "hang-after"])("loses nothing and counts nothing twice: %s", async (how) => {
    await count(first, 3);
    await treat(how);
    await Promise.all([count(first, 4), count(second, 5)]);
    await eventually(
      () => Promise.all([flushes(first), flushes(second)]),
      (seen) => seen.every(({ failures }) => failures > 0),
    );
    await treat("take");
    await Promise.all([count(first, 6), count(second, 7)]);
    await pushed(25);
    expect(await totals()).toMatchObject({ ok: 25, latency: [25, 25, 0] });
  });

  it("makes up for flushes that the runtime has abandoned", async () => {
    await count(first, 1);
    const before = await eventually(
      () => flushes(first),
      (seen) => seen.flushes > 0,
    );
    await treat("hang-after");
    for (let round = 1; round <= 4; round++) {
      await count(first, 2, "?abandon");
      // The other isolate has the same limits: until a flush of its own has failed, the time of the abandoned one has come.
      await count(second, 1);
      await eventually(
        () => flushes(second),
        ({ failures }) => failures >= round,
      );
    }
    await treat("take");
    // They have neither gone well nor failed: nothing of them ever happened again.
    expect(await flushes(first)).toEqual(before);
    await Promise.all([count(first, 1), count(second, 1)]);
    await pushed(15);
    expect(await totals()).toMatchObject({ ok: 15, active: 0, latency: [15, 15, 0] });
  });

  it("counts requests whose clients have left", async () => {
    const sent = Array.from({ length: 5 }, () => send(`${first}/count?ms=3000`));
    await eventually(
      () => totals(),
      ({ active }) => active === 5,
    );
    for (const { leave } of sent) leave();
    const push = await pushed(5);
    expect(push?.totals).toMatchObject({ active: 0 });
  });

  it("goes on with the same totals when the object is ended, also between message and answer", async () => {
    await Promise.all([count(first, 4), count(second, 5)]);
    await pushed(9);
    const [before] = pushes;
    await treat("hang-after");
    await count(first, 2);
    await eventually(
      () => getJson<number>(`${first}/messages`),
      (messages) => messages > 0,
    );
    await get(`${first}/abort`);
    await count(second, 1);
    const push = await pushed(12);
    expect([push?.instanceId, push?.startTimeMs]).toEqual([before?.instanceId, before?.startTimeMs]);
    expect(await totals(second)).toMatchObject({ ok: 12, latency: [12, 12, 0] });
  });

  it("adds what new isolates count to what ended ones have, on the object's storage", async () => {
    await Promise.all([count(first, 4), count(second, 5)]);
    await pushed(9);
    await workers.close();
    await start();
    await Promise.all([count(first, 1), count(second, 2)]);
    await pushed(12);
    expect(await totals()).toMatchObject({ ok: 12, latency: [12, 12, 0] });
  });

  it("flushes while a push hangs, and pushes again", async () => {
    answers = false;
    await count(first, 1);
    await eventually(
      async () => pushes.length,
      (length) => length > 0,
    );
    await count(second, 2);
    expect(await totals(second)).toMatchObject({ ok: 3 });
    answers = true;
    await pushed(3);
  });
});
