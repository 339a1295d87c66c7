// Requests of one isolate that meet in the policies, over real connections: what a test inside workerd cannot show, because all
// of its code runs in one request. The Worker is of the minimum compatibility date and has no flag.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, get, getJson, type Sent, send } from "./support/http.ts";
import { bundle, type RunningWorkers, startWorker } from "./support/workerd.ts";

let script: string;
let worker: RunningWorkers;
let url: string;

interface Counts {
  readonly limit: { inUse: number; queued: number; reclaimed: number };
  readonly lease: { inUse: number; queued: number; reclaimed: number };
  readonly flights: { inFlight: number; joined: number; expired: number };
  readonly pace: { queued: number; admitted: number };
  readonly hedge: { hedges: number; won: number; retriesInFlight: number };
  readonly breaker: { state: string; opened: number; closed: number };
  readonly work: { running: number; done: number; failed: number; refused: number; errors: string[] };
  readonly running: number;
  readonly mostRunning: number;
  readonly started: number;
}

const counts = (): Promise<Counts> => getJson(`${url}/counts`);

beforeAll(async () => {
  script = await bundle("./isolate.worker.ts");
  worker = await startWorker(script, {
    kvNamespaces: ["VALUES"],
    ratelimits: { LIMIT: { namespace_id: "1001", simple: { limit: 3, period: 60 } } },
  });
  [url = ""] = worker.urls;
});

afterAll(() => worker.close());

describe("concurrencyLimit in an isolate", () => {
  it("answers whoever stays of 100 clients behind 5 permits, and loses none to those who leave", async () => {
    const sent: Sent[] = Array.from({ length: 100 }, (_, id) => send(`${url}/limit?ms=${5 + (id % 7) * 5}&id=${id}`));
    const leaving = sent.filter((_, id) => id % 2 === 1);
    // At moments all over the time in which the others are answered.
    const left = leaving.map(
      (client, n) => new Promise<void>((gone) => setTimeout(() => (client.leave(), gone()), (n * 37) % 400)),
    );
    const stayed = await Promise.all(sent.filter((_, id) => id % 2 === 0).map(({ received }) => received));
    await Promise.all(left);
    expect(stayed.map((answer) => answer?.status)).toEqual(stayed.map(() => 200));
    expect(stayed.map((answer) => answer?.body)).toEqual(stayed.map((_, n) => String(n * 2)));
    const after = await eventually(
      counts,
      ({ limit, running }) => limit.inUse === 0 && limit.queued === 0 && running === 0,
    );
    expect(after.mostRunning).toBeLessThanOrEqual(5);
    // All five permits are there: each of these waits for the others.
    await Promise.all(Array.from({ length: 5 }, () => get(`${url}/limit?until=started.${after.started + 5}`)));
    const { limit, mostRunning } = await counts();
    expect([limit, mostRunning]).toEqual([{ inUse: 0, queued: 0, reclaimed: 0 }, 5]);
  });

  it("takes back the permits of requests that the runtime has killed", async () => {
    const killed = await Promise.all(Array.from({ length: 5 }, () => get(`${url}/leased?hang`)));
    expect(killed.map(({ status }) => status)).toEqual([500, 500, 500, 500, 500]);
    expect((await counts()).lease.inUse).toBe(5);
    // Leases are looked at when somebody comes: those who wait already go on with the first who comes after them.
    const waiting = [get(`${url}/leased`), get(`${url}/leased`)];
    await eventually(
      () => {
        waiting.push(get(`${url}/leased`));
        return counts();
      },
      ({ lease }) => lease.reclaimed === 5,
    );
    const answers = await Promise.all(waiting);
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect((await counts()).lease).toEqual({ inUse: 0, queued: 0, reclaimed: 5 });
  });
});

describe("hedge in an isolate", () => {
  it("answers each request with its own hedge, in its own request", async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, (_, id) => get(`${url}/hedge?ms=20&id=${id}`)));
    expect(answers.map(({ status, body }) => [status, body])).toEqual(answers.map((_, id) => [200, String(id)]));
    expect((await counts()).hedge).toEqual({ hedges: 20, won: 20, retriesInFlight: 0 });
  });
});

describe("singleFlight in an isolate", () => {
  it("gives one result to requests that overlap", async () => {
    const { flights } = await counts();
    const all = `${url}/flight?until=joined.${flights.joined + 9}`;
    const answers = await Promise.all(Array.from({ length: 10 }, () => get(all)));
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
    expect(new Set(answers.map(({ body }) => body)).size).toBe(1);
    expect((await counts()).flights.joined - flights.joined).toBe(9);
  });

  it("starts anew when the request that started it was killed", async () => {
    const killed = get(`${url}/flight?hang`);
    const before = await eventually(counts, ({ flights }) => flights.inFlight === 1);
    // What is started anew goes on until none of them waits for the first one any more.
    const anew = `${url}/flight?until=expired.${before.flights.expired + 4}&id=after`;
    const answers = await Promise.all(Array.from({ length: 4 }, () => get(anew)));
    expect((await killed).status).toBe(500);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(new Set(answers.map(({ body }) => body)).size).toBe(1);
    const after = await counts();
    expect(after.flights.expired - before.flights.expired).toBe(4);
    expect(after.flights.inFlight).toBe(0);
  });

  it("answers the others when the client that started it leaves", async () => {
    const before = await counts();
    const starter = send(`${url}/flight?until=released.1&id=first`);
    await eventually(counts, ({ flights }) => flights.inFlight === 1);
    const followers = Array.from({ length: 4 }, () => get(`${url}/flight?ms=50&id=second`));
    await eventually(counts, ({ flights }) => flights.joined - before.flights.joined >= 4);
    starter.leave();
    await get(`${url}/release`);
    const answers = await Promise.all(followers);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    await eventually(counts, ({ flights }) => flights.inFlight === 0);
  });
});

describe("rateLimit in an isolate", () => {
  it("lets waiting requests go on at its pace, also behind clients that leave", async () => {
    const before = await counts();
    const startMs = performance.now();
    const sent = Array.from({ length: 16 }, () => send(`${url}/pace`));
    for (const [n, client] of sent.entries()) if (n % 4 === 3) client.leave();
    const answers = await Promise.all(sent.filter((_, n) => n % 4 !== 3).map(({ received }) => received));
    expect(answers.map((answer) => answer?.status)).toEqual(answers.map(() => 200));
    // 12 stay, 50 ms apart.
    expect(performance.now() - startMs).toBeGreaterThan(11 * 50 - 25);
    const after = await eventually(counts, ({ pace }) => pace.queued === 0);
    expect(after.pace.admitted - before.pace.admitted).toBeGreaterThanOrEqual(12);
  });
});

describe("circuitBreaker in an isolate", () => {
  it("ends the lease of a probe whose request was killed, and closes with the next one", async () => {
    expect((await get(`${url}/breaker?fail`)).body).toContain("The operation failed");
    expect(await get(`${url}/breaker`)).toEqual({ status: 503, body: "ERR_CIRCUIT_OPEN" });
    await eventually(counts, ({ breaker }) => breaker.state === "half-open");
    // The first probe is killed; those who come meanwhile are refused.
    const probe = await get(`${url}/breaker?hang`);
    expect(probe.status).toBe(500);
    expect(await get(`${url}/breaker`)).toEqual({ status: 503, body: "ERR_CIRCUIT_OPEN" });
    const answer = await eventually(
      () => get(`${url}/breaker?id=back`),
      ({ status }) => status === 200,
    );
    expect(answer.body).toBe("back");
    expect((await counts()).breaker).toEqual({ state: "closed", opened: 2, closed: 1 });
  });
});

describe("background in an isolate", () => {
  it("runs tasks on after their responses, a bounded number of all requests together", async () => {
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => getJson<{ accepted: boolean }>(`${url}/background?until=refused.2`)),
    );
    expect(answers.filter(({ accepted }) => accepted).length).toBe(3);
    const after = await eventually(counts, ({ work }) => work.running === 0);
    expect(after.work).toEqual({ running: 0, done: 3, failed: 0, refused: 2, errors: [] });
  });

  it("counts and tells what has failed or took too long", async () => {
    await get(`${url}/background?ms=1&fail`);
    await get(`${url}/background?ms=5000`);
    const after = await eventually(counts, ({ work }) => work.running === 0);
    expect(after.work).toMatchObject({ done: 3, failed: 2, refused: 2 });
    expect(after.work.errors).toEqual(["Error: The task failed", "TimeoutError: The call took longer than 2000 ms"]);
  });
});

describe("stores and bindings of the platform", () => {
  it.each(["cache", "kv"])("keeps values in %s between requests", async (name) => {
    const read = (more = ""): Promise<{ value: { number: number }; age: number }> =>
      getJson(`${url}/${name}?key=a/ä${more}`.replace("ä", "%C3%A4"));
    const first = await read();
    // It is stored as work after the response.
    await eventually(read, ({ age }) => typeof age === "number");
    const second = await read();
    const third = await read();
    expect(third.value).toEqual(second.value);
    expect(third.age).toBeGreaterThanOrEqual(0);
    expect((await read("&delete=1")).value.number).toBeGreaterThan(first.value.number);
  });

  it("has the platform's rate limit decide, three for each key", async () => {
    // Its windows are the minutes of the wall clock: not across the end of one.
    const leftMs = 60_000 - (Date.now() % 60_000);
    if (leftMs < 15_000) await new Promise((resolve) => setTimeout(resolve, leftMs));
    const ask = async (query: string): Promise<boolean> =>
      (await getJson<{ allowed: boolean }>(`${url}/binding?${query}`)).allowed;
    expect([await ask("key=a"), await ask("key=a"), await ask("key=a"), await ask("key=a")]).toEqual([
      true,
      true,
      true,
      false,
    ]);
    expect([await ask("key=b&cost=2"), await ask("key=b&cost=2")]).toEqual([true, false]);
    expect(await ask("")).toBe(true);
  });
});

describe("assertCompatibility", () => {
  it.each([
    { name: "a date before the minimum", compatibilityDate: "2024-10-13" },
    {
      name: "a flag that turns it off",
      compatibilityDate: "2026-10-01",
      compatibilityFlags: ["no_handle_cross_request_promise_resolution"],
    },
  ])("keeps a Worker with $name from starting", async ({ name: _, ...options }) => {
    const { code, message } = await outcomeOf(options);
    expect([code, message]).toEqual(["failed", expect.stringContaining("2024-10-14 or later")]);
  });

  it("passes with an early date and the flag", async () => {
    const flags = { compatibilityDate: "2024-01-01", compatibilityFlags: ["handle_cross_request_promise_resolution"] };
    expect((await outcomeOf(flags)).code).toBe("started");
  });
});

/** Whether a Worker starts and answers, or what it says. */
async function outcomeOf(options: Readonly<Record<string, unknown>>): Promise<{ code: string; message: string }> {
  const messages: string[] = [];
  let other: RunningWorkers | undefined;
  try {
    other = await startWorker(script, {
      ...options,
      handleStructuredLogs: ({ message }: { message: string }) => messages.push(message),
    });
    const { status, body } = await get(`${other.urls[0]}/counts`);
    return { code: status === 200 ? "started" : "failed", message: body + messages.join("\n") };
  } catch (error) {
    return { code: "failed", message: String(error) + messages.join("\n") };
  } finally {
    await other?.close();
  }
}
