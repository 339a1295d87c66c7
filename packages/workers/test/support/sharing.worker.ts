// One of several Workers whose breakers and limits share a Durable Object. `?fail` and `?ok` are what the dependency does.
import { circuitBreaker, consecutiveFailures, isHeadgateError, pipeline, rateLimit } from "@headgate/core";
import { type DurableObjectNamespaceLike, type DurableState, durableState, HeadgateState } from "../../src/index.ts";
import type { DurableObjectStateLike, ExecutionContextLike } from "../../src/index.ts";

interface Env {
  readonly STATE: DurableObjectNamespaceLike;
  readonly OPEN_MS: number;
}

/** The real class, that fails when it is told to. */
export class TestState extends HeadgateState {
  readonly #storage: DurableObjectStateLike["storage"];
  #broken = false;

  constructor(state: DurableObjectStateLike, env: unknown) {
    super(state, env);
    this.#storage = state.storage;
  }

  override async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/break") this.#broken = await request.text().then((text) => text === "yes");
    if (pathname === "/break") return new Response("noted");
    if (pathname === "/stored") return Response.json([...(await this.#storage.list()).keys()]);
    if (this.#broken) throw new Error("The object is broken");
    return super.fetch(request);
  }
}

let shared: DurableState | undefined;
let breaker: ReturnType<typeof circuitBreaker> | undefined;
let limit: ReturnType<typeof rateLimit> | undefined;

function setUp(env: Env) {
  breaker ??= circuitBreaker({
    name: "dependency",
    trip: consecutiveFailures({ maxFailures: 2 }),
    openMs: env.OPEN_MS,
  });
  shared ??= durableState({ namespace: env.STATE, name: "test", breakers: [breaker], refreshMs: 50 });
  limit ??= rateLimit({ limit: 10, windowMs: 600_000, backend: shared.rateLimitBackend("api") });
  return { breaker, shared, limit };
}

async function answer(url: URL, { breaker, shared, limit }: ReturnType<typeof setUp>): Promise<Response> {
  if (url.pathname === "/limit") return Response.json(await limit.tryAcquire("a"));
  if (url.pathname === "/state") {
    const { state, opened } = breaker;
    const { refreshes, failures, applied } = shared;
    return Response.json({ state, opened, refreshes, failures, applied });
  }
  const calls = pipeline("dependency", breaker);
  try {
    return new Response(
      await calls.execute(async () => {
        if (url.searchParams.has("fail")) throw new Error("The operation failed");
        return "done";
      }),
    );
  } catch (error) {
    return new Response(isHeadgateError(error) ? error.code : String(error), { status: 503 });
  }
}

export default {
  async fetch(request: Request, env: Env, context: ExecutionContextLike): Promise<Response> {
    const url = new URL(request.url);
    const init = { method: "POST", body: url.search.slice(1), signal: request.signal };
    if (url.pathname === "/break" || url.pathname === "/stored")
      return env.STATE.get(env.STATE.idFromName("test")).fetch(`https://object.invalid${url.pathname}`, init);
    const parts = setUp(env);
    try {
      return await answer(url, parts);
    } finally {
      parts.shared.sync(context);
    }
  },
};
