// The refusal of a rate limit.
import { HeadgateError } from "./errors.ts";

export type RateLimitReason = "limit" | "queue" | "wait" | "weight" | "backend";

/**
 * Too early (`reason: "limit"`); nor is there a place to wait (`"queue"`); its turn has moved beyond its time to wait
 * (`"wait"`); heavier than the burst (`"weight"`); or the backend failed (`"backend"`, with the failure as `cause`).
 */
export class RateLimitError extends HeadgateError {
  /** The rate limit's name. */
  readonly rateLimit: string;
  readonly reason: RateLimitReason;
  /** How long until this call goes through if nobody else comes; undefined when never, or when nobody knows. */
  readonly retryAfterMs: number | undefined;
  /** How much the call counts. */
  readonly weight: number;
  override readonly cause: unknown;

  constructor(
    rateLimit: string,
    reason: RateLimitReason,
    retryAfterMs: number | undefined,
    weight: number,
    cause?: unknown,
  ) {
    super("ERR_RATE_LIMIT", "rate-limit");
    this.rateLimit = rateLimit;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
    this.weight = weight;
    this.cause = cause;
  }

  override get name(): string {
    return "RateLimitError";
  }

  override get refusal(): boolean {
    return true;
  }

  override get message(): string {
    const { rateLimit, reason, retryAfterMs, weight } = this;
    if (reason === "weight")
      return `The rate limit "${rateLimit}" never lets a weight of ${weight} through; it must be above 0 and at most the burst`;
    if (reason === "backend") return `The backend of the rate limit "${rateLimit}" failed`;
    const when = retryAfterMs === undefined ? "" : `; the next such call goes through in ${Math.ceil(retryAfterMs)} ms`;
    const why = reason === "queue" ? "has no place to wait" : "is used up";
    return `The rate limit "${rateLimit}" ${why}${when}`;
  }
}
