// The priority of a request in its header fields, both ways.
import { lowerPriority, type PriorityClass, priorityClassOf, toPriority } from "../priority.ts";

/** The field that says how much a request matters, in lower case (RFC 9218). */
export const priorityField = "priority";

/** Which class each urgency of RFC 9218 stands for: 0 is the most urgent, 3 what is usual, 7 work in the background. */
const classes: readonly PriorityClass[] = [
  "critical-plus",
  "critical",
  "critical",
  "normal",
  "sheddable-plus",
  "sheddable-plus",
  "sheddable",
  "sheddable",
];

const urgencies: Readonly<Record<PriorityClass, number>> = {
  "critical-plus": 0,
  critical: 1,
  normal: 3,
  "sheddable-plus": 5,
  sheddable: 7,
};

/** What is needed of `Headers`. */
export interface HeadersLike {
  get(name: string): string | null | undefined;
}

/**
 * The priority of a request that has come in: the class that its `Priority` field stands for (RFC 9218: `u=0` is
 * `critical-plus`, `u=1` and `u=2` `critical`, `u=3` `normal`, `u=4` and `u=5` `sheddable-plus`, `u=6` and `u=7` `sheddable`), one
 * class lower if it says that it is a retry (`x-envoy-attempt-count` above 1, `grpc-previous-rpc-attempts` above 0).
 *
 * @param trusted whether `Priority` is believed. Not of anybody outside: browsers send it with most requests, and whoever is
 * refused would send a better one. That a request is a retry is believed of everybody, as it does nobody any good. @default false
 */
export function readPriority(headers: HeadersLike, trusted = false): number {
  const priority = toPriority(trusted ? classOf(headers.get(priorityField)) : "normal");
  return isRetry(headers) ? lowerPriority(priority) : priority;
}

/**
 * The `Priority` field for a request to another service: `"u=1"` for a priority of the class `critical`.
 *
 * @param attempt which attempt the request belongs to: from the second on it goes one class lower, so that a retry or a hedge takes
 * nobody's first attempt's place. @default 1
 */
export function formatPriority(priority: number, attempt = 1): string {
  return `u=${urgencies[priorityClassOf(attempt > 1 ? lowerPriority(priority) : priority)]}`;
}

function classOf(value: string | null | undefined): PriorityClass {
  // A dictionary of RFC 9651: the last one counts, and what stands in a string is none.
  const members = (value ?? "").replace(/"(?:[^"\\]|\\.)*"/g, '""').split(",");
  const urgency = members.findLast((member) => /^\s*u=/.test(member))?.match(/^\s*u=([0-7])\s*(?:;|$)/)?.[1];
  return (urgency === undefined ? undefined : classes[Number(urgency)]) ?? "normal";
}

function isRetry(headers: HeadersLike): boolean {
  return countOf(headers.get("x-envoy-attempt-count")) > 1 || countOf(headers.get("grpc-previous-rpc-attempts")) > 0;
}

function countOf(value: string | null | undefined): number {
  return /^\d{1,9}$/.test(value ?? "") ? Number(value) : 0;
}
