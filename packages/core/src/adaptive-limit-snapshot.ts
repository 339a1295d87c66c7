// What an adaptive limit can be saved as and go on from: in another process, or in the next life of this one. There are no times in
// it, because no two processes share a clock.
import type { Limit, LimitLearnt } from "./limit.ts";
import { checkNumber, rejectOption } from "./options.ts";

/** What an adaptive limit has learnt, as plain JSON. Permits, the queue and what is being measured are not in it. */
export interface AdaptiveLimitSnapshot extends LimitLearnt {
  /** Of the form of the snapshot. */
  readonly version: 1;
  /** That of the algorithm: no other makes sense of it. */
  readonly kind: string;
}

export function snapshotOf(algorithm: Limit): AdaptiveLimitSnapshot {
  const { limit, baselineMs } = algorithm.learnt?.() ?? { limit: algorithm.limit, baselineMs: null };
  return { version: 1, kind: algorithm.kind, limit, baselineMs };
}

/** @throws {InvalidOptionError} */
export function restoreTo(algorithm: Limit, snapshot: AdaptiveLimitSnapshot): void {
  const place = "adaptiveLimit.restore";
  if (typeof snapshot !== "object" || snapshot === null)
    rejectOption(place, "a snapshot of an adaptive limit", snapshot);
  const { version, kind, limit, baselineMs } = snapshot;
  if (version !== 1) rejectOption(`${place}.version`, "1, the only one there is", version);
  if (algorithm.restore === undefined)
    rejectOption(place, "left alone with an algorithm that takes over nothing", algorithm.kind);
  if (kind !== algorithm.kind) rejectOption(`${place}.kind`, `"${algorithm.kind}", as the algorithm`, kind);
  checkNumber(`${place}.limit`, limit, 0, Number.MAX_SAFE_INTEGER);
  if (baselineMs !== null) checkNumber(`${place}.baselineMs`, baselineMs, 0, Number.MAX_SAFE_INTEGER, true);
  algorithm.restore({ limit, baselineMs });
}
