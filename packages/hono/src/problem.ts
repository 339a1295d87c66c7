// Refusals as problem documents (RFC 9457). What an error carries beyond its code stays inside; an unknown error becomes a
// 500 that says nothing.
import { isHeadgateError } from "@headgate/core";
import { type ProblemKind, problemKinds, statusTitles } from "./problem-kinds.ts";
import { wholeSeconds } from "./whole-seconds.ts";

export type { ProblemKind } from "./problem-kinds.ts";

/** A problem document. `code` and `policy` say which decision of which policy it was. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  readonly code: string;
  readonly policy?: string;
  readonly pipeline?: string;
  /** The rate limits that were exceeded. */
  readonly "violated-policies"?: readonly string[];
}

/** The parts of a response: pass them to `new Response(body, { status, headers })`. */
export interface ProblemParts {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly problem: Problem;
}

const unknown: ProblemKind = { status: 500, title: "Internal error" };

/**
 * Turns an error into a problem document. Errors of Headgate's policies are known, and Hono's `HTTPException`, whose
 * message is meant for the client; others can be added by code.
 *
 * @param more kinds for further codes, by `error.code`.
 */
export function toProblem(error: unknown, more: Readonly<Record<string, ProblemKind>> = {}): ProblemParts {
  const given = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
  const kind =
    given === undefined
      ? undefined
      : (lookUp(more, given) ?? (isHeadgateError(error) ? lookUp(problemKinds, given) : undefined));
  if (kind === undefined && isHttpException(error)) return ofHttpException(error);
  return ofKind(
    error as Error,
    kind ?? unknown,
    kind === undefined ? "ERR_INTERNAL" : (given as string),
    kind !== undefined,
  );
}

function ofKind(error: Error, kind: ProblemKind, code: string, known: boolean): ProblemParts {
  const { title, type = `urn:headgate:problem:${code.slice(4).toLowerCase().replaceAll("_", "-")}` } = kind;
  const status = typeof kind.status === "number" ? kind.status : kind.status(error);
  const retryAfterMs = kind.retryAfterMs?.(error);
  const headers = {
    ...fields,
    ...kind.headers,
    ...(retryAfterMs !== undefined && { "retry-after": String(Math.max(1, wholeSeconds(retryAfterMs))) }),
  };
  const problem: Problem = {
    type,
    title,
    status,
    ...(kind.detail && { detail: kind.detail(error) }),
    ...kind.members?.(error),
    code,
    ...(known && isHeadgateError(error) && error.policy !== undefined && { policy: error.policy }),
    ...(known && isHeadgateError(error) && error.pipeline !== undefined && { pipeline: error.pipeline }),
  };
  return { status, headers, problem };
}

const fields = { "content-type": "application/problem+json", "cache-control": "no-store" };

/** What Hono's `HTTPException` is, also from another copy of Hono. */
interface HttpException extends Error {
  readonly status: number;
  readonly res?: Response;
  getResponse(): Response;
}

function isHttpException(error: unknown): error is HttpException {
  const { status, getResponse } = (error ?? {}) as { status?: unknown; getResponse?: unknown };
  return error instanceof Error && typeof getResponse === "function" && typeof status === "number";
}

function ofHttpException({ status, message }: HttpException): ProblemParts {
  const title = statusTitles[status] ?? (status < 500 ? "Request refused" : "Internal error");
  const shown = message !== "" && status < 500;
  const problem = { type: "about:blank", title, status, ...(shown && { detail: message }), code: `ERR_HTTP_${status}` };
  return { status, headers: fields, problem };
}

function lookUp(table: Readonly<Record<string, ProblemKind>>, code: string): ProblemKind | undefined {
  return Object.hasOwn(table, code) ? table[code] : undefined;
}

/**
 * `toProblem` as a response, for a handler or for Hono's `app.onError`. An `HTTPException` that brings a response of its own
 * is answered with that.
 */
export function problem(error: unknown, more?: Readonly<Record<string, ProblemKind>>): Response {
  if (isHttpException(error) && error.res !== undefined) return error.getResponse();
  const parts = toProblem(error, more);
  return new Response(JSON.stringify(parts.problem), { status: parts.status, headers: parts.headers });
}
