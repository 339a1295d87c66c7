// The time that a client has left, taken over from its request; and what is left of it, told to the upstream.
import { type OperationContext, TimeoutError } from "@headgate/core";
import { deadlineFields, formatRemainingMs, parseRemainingMs } from "@headgate/core/fetch";
import { field } from "./headers.ts";
import type { Route } from "./route.ts";
import type { HeaderList } from "./upstream.ts";

/** The one in which an upstream is always told. */
const ownField: readonly string[] = deadlineFields.slice(0, 1);

/** What a client leaves, in milliseconds; `Infinity` for one that says nothing or is not believed. */
export function clientLeavesMs(headers: HeaderList, { config }: Route): number {
  return config.deadline.trusted ? parseRemainingMs((name) => field(headers, name)) : Number.POSITIVE_INFINITY;
}

/** The fields in which the upstream is told what is left: ours, and those that the client has used. */
export function toldFields(headers: HeaderList): readonly string[] {
  const used = deadlineFields.filter((name, i) => i > 0 && field(headers, name) !== undefined);
  return used.length === 0 ? ownField : [...ownField, ...used];
}

/**
 * The fields of one attempt: `headers` and what is left for it.
 *
 * @throws {TimeoutError} when that is no more than the margin: the upstream would work for nobody.
 */
export function withRemaining(
  headers: HeaderList,
  told: readonly string[],
  { config }: Route,
  { remainingMs }: OperationContext,
): HeaderList {
  const leftMs = remainingMs - config.deadline.marginMs;
  if (leftMs <= 0) {
    const expired = new TimeoutError(remainingMs, "deadline");
    expired.pipeline = config.name;
    throw expired;
  }
  const timed = headers.slice();
  for (const name of told) timed.push(name, formatRemainingMs(name, Math.max(1, leftMs)));
  return timed;
}
