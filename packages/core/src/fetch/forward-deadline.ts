// Tells the server how long its answer is waited for, so that it does not work for nobody.
import { maxDelayMs } from "../clock.ts";
import { checkNumber, rejectOption } from "../options.ts";
import { deadlineFields, formatRemainingMs } from "./deadline-fields.ts";

export interface ForwardDeadlineOptions {
  /** The field; milliseconds, except for `grpc-timeout`, which has a form of its own. @default "X-Request-Timeout-Ms" */
  readonly header?: string;
  /** What is kept back for the way there and back, in milliseconds. At least 0, at most 2^31 - 1. @default 10 */
  readonly marginMs?: number;
}

export type ForwardDeadline = Required<ForwardDeadlineOptions>;

/** @throws {InvalidOptionError} */
export function forwardDeadlineOf(option: boolean | ForwardDeadlineOptions | undefined): ForwardDeadline | null {
  if (option === undefined || option === false) return null;
  if (option !== true && (typeof option !== "object" || option === null))
    rejectOption("resilientFetch.forwardDeadline", "a boolean or an object", option);
  const { header = deadlineFields[0], marginMs = 10 } = option === true ? {} : option;
  if (typeof header !== "string" || !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(header))
    rejectOption("resilientFetch.forwardDeadline.header", "the name of a header field", header);
  checkNumber("resilientFetch.forwardDeadline.marginMs", marginMs, 0, maxDelayMs);
  return { header: header.toLowerCase(), marginMs };
}

/**
 * The fields of a request with the deadline among them. At least 1 ms, as long as there is any time: whether an answer
 * comes too late is for the deadline itself to say.
 */
export function withDeadline(
  fields: HeadersInit | undefined,
  { header, marginMs }: ForwardDeadline,
  remainingMs: number,
): Headers {
  const headers = new Headers(fields);
  headers.delete(header);
  if (remainingMs !== Number.POSITIVE_INFINITY)
    headers.set(header, formatRemainingMs(header, Math.max(1, remainingMs - marginMs)));
  return headers;
}
