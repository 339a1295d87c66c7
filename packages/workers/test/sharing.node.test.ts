// Two Workers on real workerd that share one Durable Object, each with an isolate and breakers of its own.
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { eventually, get, getJson } from "./support/http.ts";
import { bundle, type RunningWorkers, startSharing } from "./support/workerd.ts";

interface State {
  readonly state: string;
  readonly opened: number;
  readonly refreshes: number;
  readonly failures: number;
  readonly applied: number;
}

let script: string;
let workers: RunningWorkers;
let first = "";
let second = "";

const stateOf = (url: string): Promise<State> => getJson(`${url}/state`);

beforeAll(async () => {
  script = await bundle("./sharing.worker.ts");
});

beforeEach(async () => {
  workers = await startSharing(script, { OPEN_MS: 3000 });
  [first = "", second = ""] = workers.urls;
  return () => workers.close();
});

/** Makes the breaker of one Worker open by itself. */
async function trip(url: string): Promise<void> {
  for (let failure = 0; failure < 2; failure++) await get(`${url}/call?fail`);
  expect((await stateOf(url)).opened).toBeGreaterThanOrEqual(1);
}

describe("durableState between two Workers", () => {
  it("opens the other one's circuit, and closes it when a probe of one of them succeeds", async () => {
    expect((await get(`${second}/call`)).body).toBe("done");
    await trip(first);
    const opened = await eventually(
      () => stateOf(second),
      ({ applied }) => applied > 0,
    );
    expect([opened.opened, opened.applied]).toEqual([0, 1]);
    expect(await getJson(`${first}/stored`)).toEqual(["circuit:dependency"]);
    await eventually(
      () => get(`${first}/call`),
      ({ status }) => status === 200,
    );
    await eventually(
      () => stateOf(second),
      ({ state }) => state === "closed",
    );
    expect((await get(`${second}/call`)).body).toBe("done");
  });

  it("decides locally while the object fails, and shares again afterwards", async () => {
    await get(`${first}/break?yes`);
    await trip(first);
    expect((await get(`${first}/call`)).body).toBe("ERR_CIRCUIT_OPEN");
    await eventually(
      () => stateOf(first),
      ({ failures }) => failures > 0,
    );
    const other = await eventually(
      () => stateOf(second),
      ({ failures }) => failures > 0,
    );
    expect([other.state, other.applied]).toEqual(["closed", 0]);
    expect((await get(`${second}/call`)).body).toBe("done");
    await get(`${first}/break?no`);
    await eventually(
      () => stateOf(first),
      ({ refreshes }) => refreshes > 0,
    );
    await eventually(
      () => stateOf(second),
      ({ refreshes }) => refreshes > 0,
    );
    await eventually(
      () => stateOf(first),
      ({ state }) => state === "half-open",
    );
    await trip(first);
    await eventually(
      () => stateOf(second),
      ({ applied }) => applied > 0,
    );
  });

  it("counts what both let through against one limit", async () => {
    const take = (url: string): Promise<{ allowed: boolean; remaining: number }> => getJson(`${url}/limit`);
    for (let n = 0; n < 6; n++) expect((await take(first)).allowed).toBe(true);
    // Whoever looks takes as well; before the ten are gone the second knows of the first.
    const seen = await eventually(
      () => take(second),
      ({ allowed }) => !allowed,
    );
    expect(seen.remaining).toBe(0);
    await eventually(
      () => take(first),
      ({ allowed }) => !allowed,
    );
  });
});
