// A limit that does not move: to compare others with, and to switch an adaptive limit off without changing the pipeline.
import type { Limit } from "./limit.ts";
import { checkInteger } from "./options.ts";

export interface FixedLimitOptions {
  /** How much may run at once. An integer of at least 1. */
  readonly limit: number;
}

/** @throws {InvalidOptionError} for a limit out of bounds. */
export function fixedLimit({ limit }: FixedLimitOptions): Limit {
  checkInteger("fixedLimit.limit", limit, 1);
  return { kind: "fixed", limit, observe() {} };
}
