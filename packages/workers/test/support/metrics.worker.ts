// One of several Workers whose metrics are added up in a Durable Object. `/count` is a request that counts; what the object does
// with messages, the test says.
import {
  type DurableMetrics,
  durableMetrics,
  type DurableObjectNamespaceLike,
  type DurableObjectStateLike,
  type ExecutionContextLike,
  HeadgateMetrics,
  type MetricsReport,
} from "../../src/index.ts";
import { active, calls, latency, type Counted, totalsOf } from "./metrics.ts";

interface Env {
  readonly STATE: DurableObjectNamespaceLike;
  readonly COLLECTOR: string;
}

/** How messages are treated: as they should be, or lost before or after the object has taken them, or never answered. */
type Treatment = "take" | "lose-message" | "lose-answer" | "hang-after";

/** The real class, that pushes to the test and fails when it is told to. */
export class TestState extends HeadgateMetrics {
  readonly #state: DurableObjectStateLike & { abort(reason: string): void };
  readonly #collector: string;
  #treatment: Treatment = "take";
  #messages = 0;

  constructor(state: DurableObjectStateLike & { abort(reason: string): void }, env: Env) {
    super(state, env, { intervalMs: 100, timeoutMs: 300 });
    this.#state = state;
    this.#collector = env.COLLECTOR;
  }

  protected override async push({ metrics, signal, ...report }: MetricsReport): Promise<void> {
    const body = JSON.stringify({ ...report, totals: totalsOf(metrics) });
    await (await fetch(this.#collector, { method: "POST", body, signal })).text();
  }

  override async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/treat") {
      this.#treatment = (await request.text()) as Treatment;
      this.#messages = 0;
      return new Response("noted");
    }
    if (pathname === "/messages") return Response.json(this.#messages);
    if (pathname === "/abort") this.#state.abort("The test ends the object");
    if (request.method === "GET") return super.fetch(request);
    this.#messages++;
    if (this.#treatment === "lose-message") throw new Error("The message is lost");
    const response = await super.fetch(request);
    if (this.#treatment === "lose-answer") throw new Error("The answer is lost");
    if (this.#treatment === "hang-after") await new Promise((resolve) => setTimeout(resolve, 5000));
    return response;
  }
}

const counted: Counted = { ok: 0, failed: 0, active: 0, more: [] };
let metrics: DurableMetrics | undefined;

/** Takes its time, and counts however it ends. */
async function count(url: URL, signal: AbortSignal): Promise<Response> {
  counted.active++;
  try {
    const ms = Number(url.searchParams.get("ms") ?? 0);
    const left = new Promise((resolve) => signal.addEventListener("abort", resolve));
    if (ms > 0) await Promise.race([new Promise((resolve) => setTimeout(resolve, ms)), left]);
    return new Response("counted");
  } finally {
    counted.active--;
    counted.ok++;
  }
}

async function object(env: Env, path: string, signal: AbortSignal, body?: string): Promise<Response> {
  const init = body === undefined ? { method: "GET", signal } : { method: "POST", body, signal };
  return env.STATE.get(env.STATE.idFromName("metrics-0")).fetch(`https://object.invalid${path}`, init);
}

export default {
  async fetch(request: Request, env: Env, context: ExecutionContextLike): Promise<Response> {
    const url = new URL(request.url);
    metrics ??= durableMetrics({
      namespace: env.STATE,
      collect: () => [calls(counted), latency(counted), active({ value: counted.active })],
      shards: 1,
      // A flush may take as long: what a busy machine does not manage in that time nobody sends again.
      intervalMs: 1000,
    });
    const { flushes, failures } = metrics;
    switch (url.pathname) {
      case "/count": {
        const work = count(url, request.signal);
        // Without its context nothing keeps the request for its flush: the runtime abandons it.
        metrics.flush(url.searchParams.has("abandon") ? { waitUntil() {} } : context, work);
        return work;
      }
      case "/totals":
        return Response.json(totalsOf(await metrics.collect()));
      case "/flushes":
        return Response.json({ flushes, failures });
      case "/abort":
        return object(env, "/abort", request.signal, "").catch(() => new Response("aborted"));
      default:
        return object(env, url.pathname, request.signal, url.search.slice(1) || undefined);
    }
  },
};
