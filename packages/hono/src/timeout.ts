// A time limit that ends the work, not only the wait for it.
import { type Clock, pipeline, systemClock, timeout as timeoutPolicy } from "@headgate/core";
import type { MiddlewareHandler } from "hono";
import type { RespondOptions } from "./answer.ts";
import { runChain } from "./run-chain.ts";
import type { ResilienceEnv } from "./variables.ts";

export interface TimeoutOptions extends RespondOptions {
  /** How long the handler may take until it has answered; its response's body is not counted. Above 0, at most 2^31 - 1. */
  readonly timeoutMs: number;
  /** @default systemClock */
  readonly clock?: Clock;
}

/**
 * Ends a request that takes too long: `c.get("signal")` aborts, the client is answered with 504, and what the handler still
 * does is dropped. Hono's own `timeout` answers too, but lets the handler run on without a word.
 *
 * @param options how long, and how the end is answered.
 * @returns The middleware handler function.
 * @throws {InvalidOptionError} for options out of bounds.
 *
 * @example
 * ```ts
 * app.use("/report", timeout({ timeoutMs: 5000 }))
 * app.get("/report", async (c) => c.json(await buildReport({ signal: c.get("signal") })))
 * ```
 */
export function timeout(options: TimeoutOptions): MiddlewareHandler<ResilienceEnv> {
  const { timeoutMs, clock = systemClock, respond } = options;
  const settings = {
    pipeline: pipeline({ name: "timeout", clock }, timeoutPolicy({ timeoutMs, clock })),
    holdsBody: false,
    respond,
  };
  return async function timeout(c, next) {
    await runChain(settings, c, next);
  };
}
