// A pipeline of policies around everything that stands behind the middleware.
import type { Pipeline } from "@headgate/core";
import type { Context, MiddlewareHandler } from "hono";
import type { RespondOptions } from "./answer.ts";
import { checkFunction, rejectOption } from "@headgate/core/options";
import { type CallInit, type ChainSettings, runChain } from "./run-chain.ts";
import type { ResilienceEnv } from "./variables.ts";

export interface ResilienceOptions extends RespondOptions {
  /** Which responses are failures. They are sent all the same. @default those with a 5xx status */
  readonly isFailure?: ((response: Response) => boolean) | undefined;
  /** Which responses mean overload. @default 429 and 503 */
  readonly isOverload?: ((response: Response) => boolean) | undefined;
  /**
   * Whether responses say in `Server-Timing` how long the request waited and how long the handler took: `queue;dur=1.2,
   * handler;dur=48.0`, in milliseconds. It shows clients how the inside is doing. @default false
   */
  readonly serverTiming?: boolean;
  /** What the policies are told of a request: priority, key, weight. @default nothing */
  readonly call?: ((c: Context) => CallInit) | undefined;
}

/** Policies that run the operation more than once, or give one request's response to another. */
const notForHandlers: Readonly<Record<string, string>> = {
  retry: "Hono runs a handler once per request; retry what the handler calls",
  hedge: "Hono runs a handler once per request; hedge what the handler calls",
  cache: "a response's body can be read once; cache what the handler calls",
  "single-flight": "a response's body can be read once; share what the handler calls",
};

/** Policies that hold nothing while a body streams. */
const holdNothing: ReadonlySet<string> = new Set(["timeout", "circuit-breaker", "rate-limit", "fallback", "chaos"]);

/**
 * Runs the rest of the chain as the operation of a pipeline.
 *
 * The handler finds the attempt's `signal` and `deadline` in the context's variables and gives them to what it calls; the
 * client's disconnect aborts the signal. When a policy refuses, or a timeout ends the call, the request is answered at once
 * with a problem document, and what the handler still does is dropped. A permit is held until the response's body has
 * ended. The pipeline must not hold a policy that runs the handler again: retry what the handler calls.
 *
 * @param pipeline made by `pipeline()` of `@headgate/core`. Requests that share it share its state.
 * @param options which responses are failures, and how refusals are answered.
 * @returns The middleware handler function.
 * @throws {InvalidOptionError} for options out of bounds, and for a retry, hedge, cache or single flight in the pipeline.
 *
 * @example
 * ```ts
 * const orders = pipeline("orders", timeout({ timeoutMs: 2000 }), circuitBreaker(), concurrencyLimit({ maxConcurrent: 20 }))
 *
 * app.use("/orders/*", resilience(orders))
 * app.get("/orders/:id", async (c) => c.json(await load(c.req.param("id"), { signal: c.get("signal") })))
 * ```
 */
export function resilience(pipeline: Pipeline, options: ResilienceOptions = {}): MiddlewareHandler<ResilienceEnv> {
  const settings = resilienceSettings(pipeline, options);
  return async function resilience(c, next) {
    await runChain(settings, c, next);
  };
}

function resilienceSettings(pipeline: Pipeline, options: ResilienceOptions): ChainSettings {
  if (typeof pipeline?.execute !== "function") rejectOption("resilience.pipeline", "made by pipeline()", pipeline);
  const { policies, judgement } = pipeline;
  for (const { kind, reruns } of policies) {
    const why = Object.hasOwn(notForHandlers, kind) ? notForHandlers[kind] : undefined;
    if (why !== undefined || (reruns === true && kind !== "fallback"))
      rejectOption(
        "resilience.pipeline",
        `without a policy that runs the handler again or shares its response (${why ?? "Hono runs a handler once per request"})`,
        kind,
      );
  }
  const { isFailure = judgement.isFailure ?? isServerError, isOverload = judgement.isOverload ?? isOverloaded } =
    options;
  const { serverTiming = false } = options;
  if (typeof serverTiming !== "boolean") rejectOption("resilience.serverTiming", "a boolean", serverTiming);
  checkFunction("resilience.isFailure", isFailure);
  checkFunction("resilience.isOverload", isOverload);
  if (options.call !== undefined) checkFunction("resilience.call", options.call);
  if (options.respond !== undefined) checkFunction("resilience.respond", options.respond);
  const holdsBody = policies.some(({ kind }) => !holdNothing.has(kind));
  return { pipeline, holdsBody, isFailure, isOverload, serverTiming, call: options.call, respond: options.respond };
}

const isServerError = ({ status }: Response): boolean => status >= 500;

const isOverloaded = ({ status }: Response): boolean => status === 429 || status === 503;
