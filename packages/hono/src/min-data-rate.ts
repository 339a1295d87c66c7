// A lower bound on how fast a request's body comes: one that drips holds its handler, and what that holds, for ever.
import { type Clock, systemClock } from "@headgate/core";
import { minRate } from "@headgate/core/streams";
import type { MiddlewareHandler } from "hono";
import type { RespondOptions } from "./answer.ts";
import { checkFunction, checkNumber, maxDelayMs, rejectOption } from "@headgate/core/options";
import { guardBody } from "./request-body.ts";

export interface MinDataRateOptions extends RespondOptions {
  /** Bytes per second that the client must keep up on average. Above 0. @default 240 */
  readonly bytesPerSecond?: number;
  /** How long the client may stay behind, in all. 0 to 2^31 - 1. @default 5000 */
  readonly graceMs?: number;
  /** @default systemClock */
  readonly clock?: Clock;
}

/**
 * Ends a request whose body comes too slowly with 408, and its connection. Only the time in which the handler waits for the
 * client counts, so that a slow handler is not held against it, and an honest large upload takes as long as it takes.
 *
 * @param options how fast, and how long a client may be slower.
 * @returns The middleware handler function.
 * @throws {InvalidOptionError} for options out of bounds.
 *
 * @example
 * ```ts
 * app.post("/upload", minDataRate(), async (c) => c.json(await c.req.json()))
 * ```
 */
export function minDataRate(options: MinDataRateOptions = {}): MiddlewareHandler {
  const { bytesPerSecond = 240, graceMs = 5_000, clock = systemClock, respond } = options;
  checkNumber("minDataRate.bytesPerSecond", bytesPerSecond, 0, Number.MAX_VALUE, true);
  if (!(typeof graceMs === "number" && graceMs >= 0 && graceMs <= maxDelayMs))
    rejectOption("minDataRate.graceMs", `a number of at least 0 and at most ${maxDelayMs}`, graceMs);
  if (respond !== undefined) checkFunction("minDataRate.respond", respond);
  return async function minDataRate(c, next) {
    await guardBody(c, next, (body) => minRate(body, { bytesPerSecond, graceMs, clock }), { respond });
  };
}
