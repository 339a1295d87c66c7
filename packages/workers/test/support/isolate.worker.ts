// A Worker whose requests meet in policies: each path is a policy, `?ms=` how long the operation takes, `?until=` a count that it
// waits for (`joined.4`: that four have joined), `?hang` an operation that waits for nothing, which the runtime kills with its
// request.
import { waitUntil } from "cloudflare:workers";
import { cacheApiStore, assertCompatibility, background, kvStore, rateLimitBinding } from "@headgate/workers";
import {
  cache,
  circuitBreaker,
  concurrencyLimit,
  consecutiveFailures,
  hedge,
  isHeadgateError,
  pipeline,
  rateLimit,
  retryBudget,
  singleFlight,
} from "@headgate/core";
import type { CacheLike, KVNamespaceLike, RateLimitBinding } from "@headgate/workers";

assertCompatibility();

interface Env {
  readonly LIMIT: RateLimitBinding;
  readonly VALUES: KVNamespaceLike;
}

declare const caches: { readonly default: CacheLike };

const limit = concurrencyLimit({ maxConcurrent: 5, maxQueue: 200, maxWaitMs: 50_000, leaseMs: 60_000 });
const limited = pipeline("limited", limit);

const lease = concurrencyLimit({ maxConcurrent: 5, maxQueue: 1000, maxWaitMs: 50_000, leaseMs: 3000 });
const leased = pipeline("leased", lease);

const flights = singleFlight({ maxWaitMs: 3000 });
const shared = pipeline("shared", flights);

const pace = rateLimit({ limit: 20, windowMs: 1000, burst: 1, maxWaitMs: 10_000, maxQueue: 100 });
const paced = pipeline("paced", pace);

const breaker = circuitBreaker({ trip: consecutiveFailures({ maxFailures: 1 }), openMs: 2000, probeLeaseMs: 4000 });
const guarded = pipeline("guarded", breaker);

const budget = retryBudget({ minConcurrent: 30 });
const beside = hedge({ delayMs: 30, budget });
const hedged = pipeline("hedged", beside);

const errors: string[] = [];
const work = background(
  { waitUntil },
  { maxConcurrent: 3, timeoutMs: 2000, onError: (error) => errors.push(String(error)) },
);

let running = 0;
let mostRunning = 0;
let started = 0;
let nextFlight = 0;
let isReleased = false;

/** What operations may wait for. A request that waits for others alone, without a timer of its own, would be killed. */
const countsToWaitFor: Readonly<Record<string, () => number>> = {
  started: () => started,
  joined: () => flights.joined,
  expired: () => flights.expired,
  refused: () => work.refused,
  released: () => Number(isReleased),
};

async function until(what: string): Promise<void> {
  const [name = "", least] = what.split(".");
  while ((countsToWaitFor[name]?.() ?? 0) < Number(least)) await wait(5);
}

/** Something that needs the request's own I/O before and after. */
async function operate(url: URL, killed: (value: unknown) => void = () => {}): Promise<string> {
  started++;
  running++;
  mostRunning = Math.max(mostRunning, running);
  try {
    if (url.searchParams.has("hang")) await new Promise(killed);
    await until(url.searchParams.get("until") ?? "");
    await wait(Number(url.searchParams.get("ms") ?? 1));
    if (url.searchParams.has("fail")) throw new Error("The operation failed");
    return url.searchParams.get("id") ?? "done";
  } finally {
    running--;
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function counts(): unknown {
  return {
    limit: { inUse: limit.inUse, queued: limit.queued, reclaimed: limit.reclaimed },
    lease: { inUse: lease.inUse, queued: lease.queued, reclaimed: lease.reclaimed },
    flights: { inFlight: flights.inFlight, joined: flights.joined, expired: flights.expired },
    pace: { queued: pace.queued, admitted: pace.admitted },
    hedge: { hedges: beside.hedges, won: beside.won, retriesInFlight: budget.retriesInFlight },
    breaker: { state: breaker.state, opened: breaker.opened, closed: breaker.closed },
    work: { running: work.running, done: work.done, failed: work.failed, refused: work.refused, errors },
    running,
    mostRunning,
    started,
  };
}

const stores = new Map<string, ReturnType<typeof storePipeline>>();

function storePipeline(name: string, env: Env) {
  const store = name === "kv" ? kvStore(env.VALUES) : cacheApiStore(caches.default, { name: "test" });
  const policy = cache({ freshMs: 60_000, store, storeTimeoutMs: 20_000, defer: work.waitUntil });
  return { policy, calls: pipeline(`stored-${name}`, policy), store };
}

async function stored(name: string, url: URL, env: Env): Promise<Response> {
  const kept = stores.get(name) ?? storePipeline(name, env);
  stores.set(name, kept);
  const key = url.searchParams.get("key") ?? "";
  if (url.searchParams.has("delete")) await kept.policy.invalidate(key);
  const value = await kept.calls.execute(async () => ({ number: ++nextFlight }), { key });
  return Response.json({ value, age: (await kept.store.get(key))?.ageMs });
}

function runInBackground(url: URL): Response {
  const accepted = work.run(async () => {
    await until(url.searchParams.get("until") ?? "");
    await wait(Number(url.searchParams.get("ms")));
    if (url.searchParams.has("fail")) throw new Error("The task failed");
  });
  return Response.json({ accepted });
}

async function route(url: URL, env: Env, signal: AbortSignal): Promise<Response> {
  switch (url.pathname) {
    case "/counts":
      return Response.json(counts());
    case "/limit":
      return new Response(await limited.execute(() => operate(url), { signal }));
    case "/leased":
      return new Response(await leased.execute(() => operate(url), { signal }));
    case "/release":
      isReleased = true;
      return new Response("released");
    case "/flight":
      return new Response(
        await shared.execute(() => operate(url).then((id) => `${id} ${++nextFlight}`), { key: "one", signal }),
      );
    case "/pace":
      return new Response(await paced.execute(() => operate(url), { signal }));
    case "/hedge":
      // The first attempt waits for nothing that ever comes: without the hedge the runtime would kill the request.
      return new Response(
        await hedged.execute(({ attempt }) => (attempt === 1 ? new Promise<string>(() => {}) : operate(url)), {
          signal,
        }),
      );
    case "/breaker":
      return new Response(await guarded.execute(() => operate(url), { signal }));
    case "/background":
      return runInBackground(url);
    case "/binding": {
      const bound = rateLimit({
        limit: 3,
        windowMs: 10_000,
        backend: rateLimitBinding(env.LIMIT),
        backendTimeoutMs: 5000,
      });
      return Response.json(
        await bound.tryAcquire(url.searchParams.get("key") ?? "", Number(url.searchParams.get("cost") ?? 1)),
      );
    }
    default:
      return stored(url.pathname.slice(1), url, env);
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    try {
      return await route(new URL(request.url), env, request.signal);
    } catch (error) {
      return new Response(isHeadgateError(error) ? error.code : String(error), { status: 503 });
    }
  },
};
