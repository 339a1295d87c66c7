// Orders of policies in which one of them can never act, or works against another. They are refused when a pipeline is
// made, with the fix: a wrong order is not seen until the outage that it was meant for.
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

interface Rule {
  readonly outer: string;
  readonly inner: readonly string[];
  /** Whether the pair is wrong; `between` are the policies from the outer to the inner one, without these. @default always */
  readonly applies?: (outer: Policy, inner: Policy, between: readonly Policy[]) => boolean;
  readonly why: string;
  readonly fix: string;
}

/** Policies that make a call wait or run again, so that a deadline around them is another than one inside them. */
const takesTime: ReadonlySet<string> = new Set([
  "retry",
  "hedge",
  "concurrency-limit",
  "rate-limit",
  "cache",
  "single-flight",
  "fallback",
]);

const millis = (policy: Policy): number => (policy as { readonly timeoutMs?: number }).timeoutMs ?? 0;

/** Of a hedge that follows the latencies nobody knows. */
const delay = (policy: Policy): number => (policy as { readonly delayMs?: number }).delayMs ?? 0;

const rules: readonly Rule[] = [
  {
    outer: "chaos",
    inner: [
      "fallback",
      "timeout",
      "retry",
      "circuit-breaker",
      "concurrency-limit",
      "adaptive-throttle",
      "load-balance",
    ],
    why: "what chaos injects never reaches the policies inside it",
    fix: "put chaos innermost",
  },
  {
    outer: "cache",
    inner: ["fallback"],
    why: "the cache would keep the answers that the fallback makes up",
    fix: "put the fallback outside the cache",
  },
  {
    outer: "circuit-breaker",
    inner: ["retry"],
    why: "the circuit breaker never sees the failures that the retry inside it makes good",
    fix: "put the retry outside the circuit breaker",
  },
  {
    outer: "concurrency-limit",
    inner: ["retry"],
    why: "a permit would be held during the back-off, while nothing runs",
    fix: "put the concurrency limit inside the retry",
  },
  {
    outer: "retry",
    inner: ["retry"],
    why: "the attempts of two retries multiply",
    fix: "keep one of them",
  },
  {
    outer: "retry",
    inner: ["fallback"],
    why: "the retry never sees the failures that the fallback inside it answers",
    fix: "put the fallback outside the retry",
  },
  {
    outer: "circuit-breaker",
    inner: ["fallback"],
    why: "the circuit breaker never sees the failures that the fallback inside it answers",
    fix: "put the fallback outside the circuit breaker",
  },
  {
    outer: "timeout",
    inner: ["timeout"],
    applies: (outer, inner) => millis(inner) >= millis(outer),
    why: "the inner timeout is not shorter than the outer one, which always ends the call first",
    fix: "make the inner one shorter, or remove it",
  },
  {
    outer: "timeout",
    inner: ["timeout"],
    applies: (outer, inner, between) =>
      millis(inner) < millis(outer) && !between.some(({ kind }) => takesTime.has(kind)),
    why: "nothing between the two timeouts takes time, so that the outer one can never act",
    fix: "remove the outer one, or put what waits or repeats between them",
  },
  {
    outer: "hedge",
    inner: ["hedge", "retry"],
    why: "each attempt of the hedge would have attempts of its own, and they multiply",
    fix: "put a retry outside the hedge, and keep one hedge",
  },
  {
    outer: "circuit-breaker",
    inner: ["hedge"],
    why: "the circuit breaker never sees the attempts that were too slow",
    fix: "put the hedge outside the circuit breaker",
  },
  {
    outer: "concurrency-limit",
    inner: ["hedge"],
    why: "one permit would stand for several operations at once",
    fix: "put the concurrency limit inside the hedge",
  },
  {
    outer: "hedge",
    inner: ["fallback"],
    why: "what the fallback inside it makes up would win over an attempt that still runs",
    fix: "put the fallback outside the hedge",
  },
  {
    outer: "hedge",
    inner: ["single-flight"],
    why: "a hedge would wait for the very operation that it is to overtake",
    fix: "put the single flight outside the hedge",
  },
  {
    outer: "timeout",
    inner: ["hedge"],
    applies: (outer, inner) => delay(inner) >= millis(outer),
    why: "the timeout ends the call before a hedge is sent",
    fix: "make the delay of the hedge shorter",
  },
  {
    outer: "hedge",
    inner: ["timeout"],
    applies: (outer, inner) => delay(outer) >= millis(inner),
    why: "the timeout ends the attempt before a hedge is sent",
    fix: "make the delay of the hedge shorter",
  },
  {
    outer: "chaos",
    inner: ["hedge"],
    why: "what chaos injects never reaches the hedge inside it",
    fix: "put chaos innermost",
  },
  ...["retry", "hedge", "concurrency-limit"].map((outer) => ({
    outer,
    inner: ["load-shed"],
    why: "it decides once, before anything waits",
    fix: "put load-shed outside",
  })),
  {
    outer: "adaptive-throttle",
    inner: ["retry", "hedge"],
    why: "the adaptive throttle neither refuses nor sees the attempts that are made inside it, but only how they end in all",
    fix: "put the adaptive throttle inside",
  },
  {
    outer: "adaptive-throttle",
    inner: ["fallback"],
    why: "the adaptive throttle never sees that calls are turned away which the fallback inside it answers",
    fix: "put the fallback outside the adaptive throttle",
  },
  {
    outer: "circuit-breaker",
    inner: ["adaptive-throttle"],
    why: "the adaptive throttle would refuse probes of the circuit, which stays half-open meanwhile",
    fix: "put the adaptive throttle outside the circuit breaker",
  },
  {
    outer: "concurrency-limit",
    inner: ["adaptive-throttle"],
    why: "a call would wait for its permit only to be refused",
    fix: "put the adaptive throttle outside the concurrency limit",
  },
  {
    outer: "load-balance",
    inner: ["retry", "hedge"],
    why: "every attempt would go to the endpoint of the first",
    fix: "put the load balance inside",
  },
  {
    outer: "load-balance",
    inner: ["concurrency-limit", "rate-limit"],
    why: "the endpoint would be chosen before the call waits for its turn, and the wait taken for the endpoint's",
    fix: "put the load balance inside",
  },
  {
    outer: "load-balance",
    inner: ["fallback"],
    why: "the load balance never sees the failures that the fallback inside it answers",
    fix: "put the fallback outside the load balance",
  },
];

/** @throws {PolicyOrderError} that names every wrong pair. */
export function checkOrder(pipeline: string, policies: readonly Policy[]): void {
  const problems = policies.flatMap((inner, innerAt) =>
    policies.slice(0, innerAt).flatMap((outer, outerAt) => {
      const between = policies.slice(outerAt + 1, innerAt);
      return rules
        .filter((rule) => rule.outer === outer.kind && rule.inner.includes(inner.kind))
        .filter(({ applies }) => applies === undefined || applies(outer, inner, between))
        .map(
          ({ why, fix }) =>
            `${outer.kind} (policy ${outerAt + 1}) stands outside ${inner.kind} (policy ${innerAt + 1}): ${why}; ${fix}.`,
        );
    }),
  );
  if (problems.length > 0) throw new PolicyOrderError(pipeline, problems);
}
