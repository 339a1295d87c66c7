// The time that the caller still has, taken over from the request and handed on to what the handler calls.
import { type Clock, pipeline, systemClock } from "@headgate/core";
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
  return async function deadline(c, next) {
    const believed = typeof trusted === "function" ? trusted(c) : trusted;
    const leftMs = Math.min(maxMs, believed ? remainingOf(c, header) : Number.POSITIVE_INFINITY);
    await runChain(settings, c, next, clock.now() + leftMs);
  };
}

export interface RemainingHeadersOptions {
  /** @default "X-Request-Timeout-Ms" */
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
  return { [header.toLowerCase()]: String(Math.max(0, Math.floor(remainingMs - marginMs))) };
}

function remainingOf(c: Context, header: string): number {
  return Math.min(
    millisecondsOf(c.req.header(header)),
    millisecondsOf(c.req.header("x-envoy-expected-rq-timeout-ms")),
    grpcTimeoutOf(c.req.header("grpc-timeout")),
  );
}

function millisecondsOf(value: string | undefined): number {
  return value !== undefined && /^-?\d{1,12}$/.test(value) ? Number(value) : Number.POSITIVE_INFINITY;
}

/** Milliseconds in each unit of `grpc-timeout`. */
const grpcUnits: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

function grpcTimeoutOf(value: string | undefined): number {
  const [, digits, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(value ?? "") ?? [];
  return digits === undefined ? Number.POSITIVE_INFINITY : Number(digits) * (grpcUnits[unit] as number);
}
