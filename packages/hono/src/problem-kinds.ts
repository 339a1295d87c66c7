// How each refusal is answered: one table from an error's code to status, fields and words. Words say what the client may
// know; names of things inside, and the reasons of failures, stay inside.
import type {
  ConcurrencyLimitError,
  CircuitOpenError,
  LoadShedError,
  RateLimitError,
  TimeoutError,
} from "@headgate/core";
import type { ByteLimitError, MinRateError, StreamTimeoutError } from "@headgate/core/streams";

/** How errors of one code are answered. */
export interface ProblemKind {
  readonly status: number | ((error: Error) => number);
  readonly title: string;
  /** The URI of the kind. @default `urn:headgate:problem:` and the code in lower case */
  readonly type?: string;
  /** Says more to the client than the title; leaves out what is nobody's business outside. */
  readonly detail?: (error: Error) => string;
  /** For `Retry-After`, in whole seconds, rounded up, at least 1; no field for undefined. */
  readonly retryAfterMs?: (error: Error) => number | undefined;
  /** Further fields of the response. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Further members of the document. */
  readonly members?: (error: Error) => Readonly<Record<string, unknown>>;
}

/** Kinds that draft-ietf-httpapi-ratelimit-headers registers. */
const registered = "https://iana.org/assignments/http-problem-types#";

/** What is left of the body would come before the next request, so the connection ends. HTTP/2 and later ignore it. */
const close = { connection: "close" };

/** Every refusal of this package and of core. */
export const problemKinds: Readonly<Record<string, ProblemKind>> = {
  ERR_TIMEOUT: {
    status: 504,
    title: "Deadline exceeded",
    detail: (error) => {
      const { scope, timeoutMs, message } = error as TimeoutError;
      return scope === "deadline" && timeoutMs <= 0 ? "The request left no time to serve it." : message;
    },
  },
  ERR_CIRCUIT_OPEN: {
    status: 503,
    title: "Circuit open",
    detail: () => "The upstream has been failing; calls to it are refused until it is tried again.",
    retryAfterMs: (error) => (error as CircuitOpenError).retryAfterMs,
  },
  ERR_CONCURRENCY_LIMIT: {
    status: (error) => ((error as ConcurrencyLimitError).reason === "weight" ? 413 : 503),
    title: "Concurrency limit reached",
    detail: (error) => error.message,
    retryAfterMs: (error) => ((error as ConcurrencyLimitError).reason === "weight" ? undefined : 1000),
  },
  ERR_RATE_LIMIT: {
    status: (error) => ((error as RateLimitError).reason === "backend" ? 503 : 429),
    title: "Quota exceeded",
    type: `${registered}quota-exceeded`,
    detail: () => "More requests than the quota allows.",
    retryAfterMs: (error) => (error as RateLimitError).retryAfterMs,
    members: (error) => ({ "violated-policies": [(error as RateLimitError).rateLimit] }),
  },
  ERR_LOAD_SHED: {
    status: 503,
    title: "Temporarily reduced capacity",
    type: `${registered}temporary-reduced-capacity`,
    detail: () => "The service is overloaded and turns part of the requests away.",
    retryAfterMs: (error) => (error as LoadShedError).retryAfterMs,
  },
  ERR_SHUTDOWN: {
    status: 503,
    title: "Shutting down",
    detail: () => "This instance is being stopped; another one will serve the request.",
    retryAfterMs: () => 1000,
    headers: close,
  },
  ERR_ADAPTIVE_THROTTLE: {
    status: 503,
    title: "Upstream overloaded",
    detail: () => "The upstream turns calls away; part of them is refused before they are sent.",
    retryAfterMs: () => 1000,
  },
  ERR_REGISTRY_FULL: {
    status: 503,
    title: "Too many destinations in use",
    retryAfterMs: () => 1000,
  },
  // Limits of streams are taken for those of the request's body, which is where a client can do something about them.
  ERR_BYTE_LIMIT: {
    status: 413,
    title: "Content too large",
    detail: (error) => `The body may hold ${(error as ByteLimitError).maxBytes} bytes.`,
    headers: close,
  },
  ERR_MIN_RATE: {
    status: 408,
    title: "Body too slow",
    detail: (error) => `The body came more slowly than ${(error as MinRateError).bytesPerSecond} bytes per second.`,
    headers: close,
  },
  // A source that the service reads has stopped.
  ERR_STREAM_TIMEOUT: {
    status: 504,
    title: "Stream stopped",
    detail: (error) => `Nothing came for ${(error as StreamTimeoutError).timeoutMs} ms.`,
  },
  ERR_IDEMPOTENCY_KEY_MISSING: { status: 400, title: "Idempotency key missing", detail: (error) => error.message },
  ERR_IDEMPOTENCY_KEY_INVALID: { status: 400, title: "Idempotency key invalid", detail: (error) => error.message },
  ERR_IDEMPOTENCY_KEY_REUSED: { status: 422, title: "Idempotency key reused", detail: (error) => error.message },
  ERR_IDEMPOTENCY_IN_PROGRESS: {
    status: 409,
    title: "Request in progress",
    detail: (error) => error.message,
    retryAfterMs: () => 1000,
  },
  ERR_IDEMPOTENCY_OUTCOME_LOST: { status: 409, title: "Outcome not kept", detail: (error) => error.message },
  ERR_IDEMPOTENCY_STORE: {
    status: 503,
    title: "Idempotency not available",
    detail: () => "Whether the request was served before cannot be told now.",
    retryAfterMs: () => 1000,
  },
};

/** Titles of Hono's own errors, by status. */
export const statusTitles: Readonly<Record<number, string>> = {
  400: "Bad request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not found",
  405: "Method not allowed",
  409: "Conflict",
  413: "Content too large",
  415: "Unsupported media type",
  422: "Unprocessable content",
  429: "Too many requests",
  502: "Bad gateway",
  503: "Service unavailable",
  504: "Gateway timeout",
};
