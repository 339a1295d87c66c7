// What a load balancer asks: whether the process lives, and whether it wants traffic.
import { type Clock, pipeline, systemClock, timeout } from "@headgate/core";
import type { Context, MiddlewareHandler } from "hono";
import { checkFunction, checkNumber, maxDelayMs, rejectOption } from "@headgate/core/options";

/** Throws, rejects or gives false when something that the service needs is not there. */
export type HealthCheck = (signal: AbortSignal) => unknown;

export interface HealthOptions {
  /** @default "/livez" */
  readonly livePath?: string;
  /** @default "/readyz" */
  readonly readyPath?: string;
  /** Whether the service takes traffic: false from the moment it is told to stop. @default always */
  readonly isReady?: () => boolean;
  /** What must be there for the service to work, by name. All are asked at once. @default nothing */
  readonly checks?: Readonly<Record<string, HealthCheck>>;
  /** How long a check may take. Above 0, at most 2^31 - 1. @default 1000 */
  readonly checkTimeoutMs?: number;
  /** Whether the answer says which check failed; never why. @default false */
  readonly details?: boolean;
  /** @default systemClock */
  readonly clock?: Clock;
}

/**
 * Answers `/livez` with 200 for as long as the process answers at all, and `/readyz` with 200 or 503: whether the service is
 * ready and every check passes within `checkTimeoutMs`. Answers are never cached. All other paths go on.
 *
 * @param options what makes the service ready.
 * @returns The middleware handler function.
 * @throws {InvalidOptionError} for options out of bounds.
 *
 * @example
 * ```ts
 * app.use(health({ isReady: () => !stopping, checks: { database: (signal) => db.ping({ signal }) } }))
 * ```
 */
export function health(options: HealthOptions = {}): MiddlewareHandler {
  const {
    livePath = "/livez",
    readyPath = "/readyz",
    isReady = () => true,
    checks = {},
    checkTimeoutMs = 1000,
    details = false,
    clock = systemClock,
  } = options;
  for (const [place, path] of Object.entries({ livePath, readyPath })) {
    if (typeof path !== "string" || !path.startsWith("/")) rejectOption(`health.${place}`, 'a path from "/" on', path);
  }
  checkFunction("health.isReady", isReady);
  for (const [name, check] of Object.entries(checks)) checkFunction(`health.checks.${name}`, check);
  checkNumber("health.checkTimeoutMs", checkTimeoutMs, 0, maxDelayMs, true);
  const bounded = pipeline({ name: "health", clock }, timeout({ timeoutMs: checkTimeoutMs, clock }));

  const passes = async (check: HealthCheck, c: Context): Promise<boolean> => {
    try {
      return (await bounded.execute(({ signal }) => check(signal), { signal: c.req.raw.signal })) !== false;
    } catch {
      return false;
    }
  };
  const report = async (c: Context): Promise<Response> => {
    if (!isReady()) return answer(503, { status: "stopping" });
    const asked = Object.entries(checks).map(async ([name, check]) => [name, await passes(check, c)] as const);
    const results = await Promise.all(asked);
    const fine = results.every(([, passed]) => passed);
    const shown = details && {
      checks: Object.fromEntries(results.map(([name, passed]) => [name, passed ? "ok" : "failing"])),
    };
    return answer(fine ? 200 : 503, { status: fine ? "ok" : "unavailable", ...shown });
  };
  return async function health(c, next) {
    const { path, method } = c.req;
    if ((path !== livePath && path !== readyPath) || (method !== "GET" && method !== "HEAD")) return next();
    return path === livePath ? answer(200, { status: "ok" }) : report(c);
  };
}

function answer(status: number, body: unknown): Response {
  return Response.json(body, { status, headers: { "cache-control": "no-store" } });
}
