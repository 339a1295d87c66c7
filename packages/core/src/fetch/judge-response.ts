// What a response, or the error in place of one, says about the dependency.

/** What is read of a response; also of one that another implementation of `fetch` made. */
interface Answer {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
}

function isAnswer(result: unknown): result is Answer {
  const { status, headers } = (result ?? {}) as { status?: unknown; headers?: { get?: unknown } };
  return typeof status === "number" && typeof headers?.get === "function";
}

/** Any 5xx: the server says that it is to blame. */
export function isFailedResponse(response: unknown): boolean {
  return isAnswer(response) && response.status >= 500;
}

/** Nobody took the connection, or nobody answered in time: codes of Node and of undici, by which overload shows there. */
const overloadCodes: ReadonlySet<unknown> = new Set([
  "ECONNREFUSED",
  "ETIMEDOUT",
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_HEADERS_TIMEOUT",
]);

/**
 * 429, a 503 that says when to come back, or an error whose cause is a refused or timed out connection. A 503 that does not
 * say it is a failure like any 5xx: servers that are broken, not busy, answer so.
 */
export function isOverloadResult(result: unknown): boolean {
  if (isAnswer(result))
    return result.status === 429 || (result.status === 503 && result.headers.get("retry-after") !== null);
  // `fetch` hides the system's error behind "fetch failed"; a chain of causes longer than this is a circle.
  let error = result as { code?: unknown; cause?: unknown } | null | undefined;
  for (let depth = 0; depth < 5 && typeof error === "object" && error !== null; depth++) {
    if (overloadCodes.has(error.code)) return true;
    error = error.cause as typeof error;
  }
  return false;
}

/**
 * How long `Retry-After` asks to wait, in milliseconds; the policies cap it. A date is held against the response's own
 * `Date`, so that a clock that goes wrong here or there does not matter; without one, against `wallClock`.
 */
export function retryAfterOf(result: unknown, wallClock: () => number): number | undefined {
  if (!isAnswer(result)) return (result as { retryAfterMs?: number } | null | undefined)?.retryAfterMs;
  return parseRetryAfter(result.headers.get("retry-after"), result.headers.get("date"), wallClock);
}

/**
 * What a `Retry-After` field says, in milliseconds from now; undefined for none and for what cannot be read.
 *
 * @param value the field: seconds, or an HTTP-date (RFC 9110, 10.2.3).
 * @param date the `Date` field of the same response, against which a date is held; without it the host's time of day.
 */
export function parseRetryAfter(
  value: string | null | undefined,
  date?: string | null,
  wallClock: () => number = timeOfDay,
): number | undefined {
  const text = value?.trim() ?? "";
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const dueMs = dateOf(text);
  if (dueMs === undefined) return undefined;
  return Math.max(0, dueMs - (dateOf(date?.trim() ?? "") ?? wallClock()));
}

/** The host's time of day in milliseconds since 1970. Only dates are held against it, never durations. */
export const timeOfDay = (): number => new Date().getTime();

/** An HTTP-date in any of its three forms (RFC 9110, 5.6.7); the oldest does not say that it is in GMT, but is. */
function dateOf(value: string): number | undefined {
  if (!/^[A-Z][a-z]{2,8},? /.test(value)) return undefined;
  const ms = Date.parse(value.endsWith("GMT") ? value : `${value} GMT`);
  return Number.isNaN(ms) ? undefined : ms;
}

/** Nobody will read this response. Without it the connection would wait for a reader for ever. */
export function discardResponse(response: unknown): unknown {
  const { body } = (response ?? {}) as { body?: ReadableStream | null };
  return body?.locked === false ? body.cancel() : undefined;
}
