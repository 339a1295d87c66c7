// What errors and failed values are called in metrics: a bounded set, whatever programs throw.
import { type Call, isHeadgateError } from "@headgate/core";
import { other } from "./definitions.ts";

const maxErrorTypes = 20;
const maxErrorTypeLength = 100;

/** How a call ended, for metrics. A closed set. */
export type PipelineOutcome =
  | "success"
  | "failure"
  | "timeout"
  | "rejected_breaker"
  | "rejected_concurrency"
  | "rejected_rate_limit"
  | "rejected_shed"
  | "cancelled"
  | "fallback";

/** Our own decisions: their codes are the error types, and each is an outcome of its own. */
export const outcomes: ReadonlyMap<string, PipelineOutcome> = new Map<string, PipelineOutcome>([
  ["ERR_TIMEOUT", "timeout"],
  ["ERR_CIRCUIT_OPEN", "rejected_breaker"],
  ["ERR_CONCURRENCY_LIMIT", "rejected_concurrency"],
  ["ERR_RATE_LIMIT", "rejected_rate_limit"],
  ["ERR_LOAD_SHED", "rejected_shed"],
  ["ERR_ADAPTIVE_THROTTLE", "rejected_shed"],
]);

/** Whether a fallback has answered: it remembers the calls that it has handled. */
export function hasFallenBack(call: Call): boolean {
  return call.pipeline.policies.some(({ kind }, at) => kind === "fallback" && call.recall(at) !== undefined);
}

/**
 * Names errors by our code, else by the name of the class, for the first 20 of those; a failed value that has an HTTP status
 * by its class, `5xx`.
 */
export class ErrorTypes {
  readonly #seen = new Set<string>();

  of(result: unknown): string {
    try {
      if (isHeadgateError(result)) return outcomes.has(result.code) ? result.code : this.#bounded(result.code);
      if (!(result instanceof Error)) return statusClass(result);
      const name: unknown = result.name;
      return typeof name === "string" && !outcomes.has(name) ? this.#bounded(name) : other;
    } catch {
      // Somebody's error may be a proxy, or its name a getter; the call is counted all the same.
      return other;
    }
  }

  #bounded(name: string): string {
    if (this.#seen.has(name)) return name;
    if (this.#seen.size >= maxErrorTypes || name === "" || name.length > maxErrorTypeLength) return other;
    this.#seen.add(name);
    return name;
  }
}

function statusClass(value: unknown): string {
  const status: unknown = (value as { status?: unknown } | null | undefined)?.status;
  return typeof status === "number" && status >= 100 && status < 600 ? `${Math.floor(status / 100)}xx` : other;
}
