// Orders of policies in which one of them can never act, or works against another. They are refused when a pipeline is
// made, with the fix: a wrong order is not seen until the outage that it was meant for. The rules come with the policies.
import { HeadgateError, showAtStart } from "./errors.ts";
import type { Policy } from "./policy.ts";

/** The order of policies cannot work. `problems` has a sentence for each pair, with the fix. */
export class PolicyOrderError extends HeadgateError {
  readonly problems: readonly string[];

  constructor(pipeline: string, problems: readonly string[]) {
    super("ERR_POLICY_ORDER");
    this.pipeline = pipeline;
    this.problems = problems;
    showAtStart(this);
  }

  override get name(): string {
    return "PolicyOrderError";
  }

  override get message(): string {
    return `pipeline("${this.pipeline}"): ${this.problems.join(" ")}`;
  }
}

/** @throws {PolicyOrderError} that names every wrong pair. */
export function checkOrder(pipeline: string, policies: readonly Policy[]): void {
  const rules = [...new Set(policies.flatMap(({ orderRules = [] }) => orderRules))];
  const problems = policies.flatMap((inner, innerAt) =>
    policies.slice(0, innerAt).flatMap((outer, outerAt) => {
      const between = policies.slice(outerAt + 1, innerAt);
      return rules
        .filter((rule) => rule.outer.includes(outer.kind) && rule.inner.includes(inner.kind))
        .filter(({ applies }) => applies === undefined || applies(outer, inner, between))
        .map(
          ({ why, fix }) =>
            `${outer.kind} (policy ${outerAt + 1}) stands outside ${inner.kind} (policy ${innerAt + 1}): ${why}; ${fix}.`,
        );
    }),
  );
  if (problems.length > 0) throw new PolicyOrderError(pipeline, problems);
}
