// Refusals as problem documents (RFC 9457): one table from an error's code to status and title. What an error carries
// beyond its code stays inside; an unknown error becomes a 500 that says nothing.
import { isHeadgateError } from "@headgate/core";

/** A problem document. `code` and `policy` say which decision of which policy it was. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  readonly code: string;
  readonly policy?: string;
  readonly pipeline?: string;
}

/** How errors of one code are answered. */
export interface ProblemKind {
  readonly status: number;
  readonly title: string;
  /** Says more to the client than the title; leaves out what is nobody's business outside. */
  readonly detail?: (error: Error) => string;
  /** Seconds for `Retry-After`, rounded up; at least 1. */
  readonly retryAfterMs?: (error: Error) => number;
}

const kinds: Readonly<Record<string, ProblemKind>> = {
  ERR_TIMEOUT: { status: 504, title: "Deadline exceeded", detail: (error) => error.message },
  ERR_CIRCUIT_OPEN: {
    status: 503,
    title: "Circuit open",
    detail: () => "The upstream has been failing; calls to it are refused until it is tried again.",
    retryAfterMs: (error) => (error as Error & { retryAfterMs: number }).retryAfterMs,
  },
  ERR_CONCURRENCY_LIMIT: {
    status: 503,
    title: "Concurrency limit reached",
    detail: (error) => error.message,
    retryAfterMs: () => 1000,
  },
};

const unknown: ProblemKind = { status: 500, title: "Internal error" };

/** The parts of a response: pass them to `new Response(body, { status, headers })`. */
export interface ProblemParts {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly problem: Problem;
}

/**
 * Turns an error into a problem document. Errors of Headgate's policies are known; others can be added by code.
 *
 * @param more kinds for further codes, by `error.code`.
 */
export function toProblem(error: unknown, more: Readonly<Record<string, ProblemKind>> = {}): ProblemParts {
  const given = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
  const kind =
    given === undefined
      ? undefined
      : (lookUp(more, given) ?? (isHeadgateError(error) ? lookUp(kinds, given) : undefined));
  const code = kind === undefined ? "ERR_INTERNAL" : (given as string);
  const { status, title, detail, retryAfterMs } = kind ?? unknown;
  const headers: Record<string, string> = { "content-type": "application/problem+json", "cache-control": "no-store" };
  if (retryAfterMs) headers["retry-after"] = String(Math.max(1, Math.ceil(retryAfterMs(error as Error) / 1000)));
  const problem: Problem = {
    type: `urn:headgate:problem:${code.slice(4).toLowerCase().replaceAll("_", "-")}`,
    title,
    status,
    ...(detail && { detail: detail(error as Error) }),
    code,
    ...(kind && isHeadgateError(error) && error.policy !== undefined && { policy: error.policy }),
    ...(kind && isHeadgateError(error) && error.pipeline !== undefined && { pipeline: error.pipeline }),
  };
  return { status, headers, problem };
}

function lookUp(table: Readonly<Record<string, ProblemKind>>, code: string): ProblemKind | undefined {
  return Object.hasOwn(table, code) ? table[code] : undefined;
}

/** `toProblem` as a response, for a handler or for Hono's `app.onError`. */
export function problem(error: unknown, more?: Readonly<Record<string, ProblemKind>>): Response {
  const parts = toProblem(error, more);
  return new Response(JSON.stringify(parts.problem), { status: parts.status, headers: parts.headers });
}
