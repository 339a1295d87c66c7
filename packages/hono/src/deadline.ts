// The time that the caller still has, taken over from the request and handed on to what the handler calls.
import { type Clock, pipeline, systemClock } from "@headgate/core";
import { deadlineFields, formatRemainingMs, parseRemainingMs } from "@headgate/core/fetch";
import type { Context, MiddlewareHandler } from "hono";
import type { RespondOptions } from "./answer.ts";
import { checkFunction, checkNumber, maxDelayMs, rejectOption } from "@headgate/core/options";
import { checkFieldName } from "./options.ts";
import { runChain } from "./run-chain.ts";
import type { ResilienceEnv } from "./variables.ts";

export interface DeadlineOptions extends RespondOptions {
  /** The field with the milliseconds that remain. @default "X-Request-Timeout-Ms" */
  readonly header?: string;
  /** The most time that a request gets, whatever it says. Above 0, at most 2^31 - 1. @default no limit */
  readonly maxMs?: number;
  /**
   * Whether the fields of this request are believed. Only callers of one's own should be: anybody else could make
   * requests fail on purpose. @default false
   */
  readonly trusted?: boolean | ((c: Context) => boolean);
  /** @default systemClock */
  readonly clock?: Clock;
}

/**
 * Gives a request the time that its caller has left: the least of `X-Request-Timeout-Ms`, `grpc-timeout`,
 * `x-envoy-expected-rq-timeout-ms` and `maxMs`. It never extends a deadline that was set further out. Without time left the
 * request is answered with 504 and the handler does not run; when the time is up later, `c.get("signal")` aborts and the
 * answer is 504. A field that holds no duration is no limit.
 *
 * @param options which fields are read, and whose.
 * @returns The middleware handler function.
 * @throws {InvalidOptionError} for options out of bounds.
 *
 * @example
 * ```ts
 * app.use(deadline({ trusted: true, maxMs: 10_000 }))
 * app.get("/order", (c) => fetch(url, { signal: c.get("signal"), headers: remainingHeaders(c) }))
 * ```
 */
export function deadline(options: DeadlineOptions = {}): MiddlewareHandler<ResilienceEnv> {
  const {
    header = "X-Request-Timeout-Ms",
    maxMs = Number.POSITIVE_INFINITY,
    trusted = false,
    clock = systemClock,
    respond,
  } = options;
  checkFieldName("deadline.header", header);
  if (maxMs !== Number.POSITIVE_INFINITY) checkNumber("deadline.maxMs", maxMs, 0, maxDelayMs, true);
  if (typeof trusted !== "boolean" && typeof trusted !== "function")
    rejectOption("deadline.trusted", "a boolean or a function", trusted);
  if (respond !== undefined) checkFunction("deadline.respond", respond);
  const settings = { pipeline: pipeline({ name: "deadline", clock }), holdsBody: false, respond };
  const fields = [header.toLowerCase(), ...deadlineFields.slice(1)];
  return async function deadline(c, next) {
    const believed = typeof trusted === "function" ? trusted(c) : trusted;
    const leftMs = Math.min(
      maxMs,
      believed ? parseRemainingMs((name) => c.req.header(name), fields) : Number.POSITIVE_INFINITY,
    );
    await runChain(settings, c, next, clock.now() + leftMs);
  };
}

export interface RemainingHeadersOptions {
  /** @default "X-Request-Timeout-Ms", in milliseconds; `grpc-timeout` is written in its own form */
  readonly header?: string;
  /** What is kept back for the way there and back. A number of at least 0. @default 10 */
  readonly marginMs?: number;
}

/**
 * The field that tells the next service how long the caller still waits; no field without a deadline. For a `fetch` in a
 * handler behind `deadline()`, `timeout()` or `resilience()`.
 */
export function remainingHeaders(c: Context, options: RemainingHeadersOptions = {}): Record<string, string> {
  const { header = "X-Request-Timeout-Ms", marginMs = 10 } = options;
  const { remainingMs } = ((c as Context<ResilienceEnv>).get("resilience") as
    | { readonly remainingMs: number }
    | undefined) ?? { remainingMs: Number.POSITIVE_INFINITY };
  if (remainingMs === Number.POSITIVE_INFINITY) return {};
  const name = header.toLowerCase();
  return { [name]: formatRemainingMs(name, remainingMs - marginMs) };
}
