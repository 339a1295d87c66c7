// Turns requests away while the process cannot keep up, before anything is spent on them.
import { HeadgateError, type Random, systemRandom } from "@headgate/core";
import type { Context, MiddlewareHandler } from "hono";
import { refuse, type RespondOptions } from "./answer.ts";
import { checkFunction, checkInteger, rejectOption } from "@headgate/core/options";

export interface LoadShedOptions extends RespondOptions {
  /**
   * How overloaded the process is now: 0 or less turns nobody away, 1 or more everybody, and what is between them that
   * share of the requests. Asked once per request, so it must be cheap.
   */
  readonly pressure: () => number;
  /** Requests that are always served. @default those for `/livez` and `/readyz` */
  readonly skip?: (c: Context) => boolean;
  /**
   * Bounds of `Retry-After`, in milliseconds, rounded up to seconds. It is drawn anew each time, so that clients do not come
   * back together. @default 1000
   */
  readonly minRetryAfterMs?: number;
  /** @default 3000 */
  readonly maxRetryAfterMs?: number;
  /** @default systemRandom */
  readonly random?: Random;
}

/** A request was turned away because the process is overloaded. */
export class LoadShedError extends HeadgateError {
  /** The pressure at that moment. */
  readonly pressure: number;
  readonly retryAfterMs: number;

  constructor(pressure: number, retryAfterMs: number) {
    super("ERR_LOAD_SHED", "load-shed");
    this.pressure = pressure;
    this.retryAfterMs = retryAfterMs;
  }

  override get name(): string {
    return "LoadShedError";
  }

  override get refusal(): boolean {
    return true;
  }

  override get message(): string {
    return `The process is overloaded (pressure ${Math.round(this.pressure * 100) / 100})`;
  }
}

/**
 * Answers a share of the requests with 503 and `Retry-After` that grows with the pressure. Put it first, after `health()`.
 *
 * @param options where the pressure comes from, and whom it spares.
 * @returns The middleware handler function.
 * @throws {InvalidOptionError} for options out of bounds.
 *
 * @example
 * ```ts
 * app.use(loadShed({ pressure: () => saturation.pressure }))
 * ```
 */
export function loadShed(options: LoadShedOptions): MiddlewareHandler {
  const {
    pressure,
    skip = isHealthCheck,
    minRetryAfterMs = 1000,
    maxRetryAfterMs = 3000,
    random = systemRandom,
    respond,
  } = options;
  checkFunction("loadShed.pressure", pressure);
  checkFunction("loadShed.skip", skip);
  checkInteger("loadShed.minRetryAfterMs", minRetryAfterMs, 0);
  checkInteger("loadShed.maxRetryAfterMs", maxRetryAfterMs, minRetryAfterMs);
  if (typeof random?.next !== "function") rejectOption("loadShed.random", "an object with a function `next`", random);
  if (respond !== undefined) checkFunction("loadShed.respond", respond);
  const minSeconds = Math.ceil(minRetryAfterMs / 1000);
  const maxSeconds = Math.ceil(maxRetryAfterMs / 1000);
  return async function loadShed(c, next) {
    const now = pressure();
    // Chance is asked only under pressure; a pressure that is not a number turns nobody away.
    if (!(now > 0) || skip(c) || random.next() >= now) return next();
    const seconds = minSeconds + Math.floor(random.next() * (maxSeconds - minSeconds + 1));
    await refuse(c, new LoadShedError(now, seconds * 1000), { respond });
  };
}

const isHealthCheck = ({ req }: Context): boolean => req.path === "/livez" || req.path === "/readyz";
