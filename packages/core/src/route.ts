// The way of calls over the policies of a pipeline: for each place, the step to take there and the next place that has one.
// Found once, when the pipeline is made, so that a call looks it up.
import type { Policy } from "./policy.ts";

const usualKinds: readonly string[] = ["timeout", "retry", "circuit-breaker", "concurrency-limit"];

export class Route {
  readonly policies: readonly Policy[];
  /** For each place, whether its policy is of a kind that most programs have. */
  readonly usual: readonly boolean[];
  /** The steps of each policy, apart from it: one place calls those of every class, and a field of many classes is slow to read. */
  readonly enters: readonly Policy["enter"][];
  readonly leaves: readonly Policy["leave"][];
  /** For each place, that of the next policy from there on inwards that has an `enter`; one past the last without any. */
  readonly entered: readonly number[];
  /** For each place, that of the next policy outside it that has a `leave`; -1 without any. */
  readonly left: readonly number[];
  /** The same of the policies that are asked on success too. */
  readonly leftOnSuccess: readonly number[];

  constructor(policies: readonly Policy[]) {
    this.policies = policies;
    this.usual = policies.map(({ kind }) => usualKinds.includes(kind));
    this.enters = policies.map(({ enter }) => enter);
    this.leaves = policies.map(({ leave }) => leave);
    // A call also stands before the first place, or past the last.
    const places = [...policies.keys(), policies.length];
    const outwards = (asked: (policy: Policy) => boolean) =>
      places.map((from) => policies.findLastIndex((policy, i) => i < from && asked(policy)));
    this.entered = places.map((from) => {
      const next = policies.findIndex(({ enter }, i) => i >= from && enter !== undefined);
      return next < 0 ? policies.length : next;
    });
    this.left = outwards(({ leave }) => leave !== undefined);
    this.leftOnSuccess = outwards(({ leave, failuresOnly }) => leave !== undefined && failuresOnly !== true);
  }
}
