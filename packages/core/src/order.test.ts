import { describe, expect, it } from "vitest";
import {
  adaptiveThrottle,
  cache,
  chaos,
  circuitBreaker,
  concurrencyLimit,
  fallback,
  hedge,
  loadBalance,
  loadShed,
  pipeline,
  type Policy,
  PolicyOrderError,
  rateLimit,
  retry,
  singleFlight,
  timeout,
} from "./index.ts";

const limit = () => concurrencyLimit({ maxConcurrent: 1 });
const empty = () => fallback({ handlers: [() => undefined] });
const monkey = () => chaos({ rate: 0, inject: { type: "failure" } });
const balance = () => loadBalance({ endpoints: ["a", "b"] });
const stored = () => cache({ freshMs: 1000 });
const paced = () => rateLimit({ limit: 1 });

function problemsOf(...policies: Policy[]): readonly string[] {
  try {
    pipeline("orders", ...policies);
  } catch (error) {
    if (error instanceof PolicyOrderError) return error.problems;
    throw error;
  }
  return [];
}

describe("pipeline", () => {
  it.each<[string, Policy[], string]>([
    ["a retry inside a circuit breaker", [circuitBreaker(), retry()], "put the retry outside the circuit breaker"],
    ["a retry inside a limit", [limit(), retry()], "put the concurrency limit inside the retry"],
    ["a retry inside a retry", [retry(), retry()], "keep one of them"],
    ["a fallback inside a retry", [retry(), empty()], "put the fallback outside the retry"],
    ["a fallback inside a breaker", [circuitBreaker(), empty()], "put the fallback outside the circuit breaker"],
    ["chaos outside what it is to test", [monkey(), retry()], "put chaos innermost"],
    ["a fallback inside a cache", [stored(), empty()], "put the fallback outside the cache"],
    [
      "an attempt timeout that is not shorter than the total one",
      [timeout({ timeoutMs: 100 }), retry(), timeout({ timeoutMs: 100 })],
      "make the inner one shorter, or remove it",
    ],
    [
      "two timeouts around the same",
      [timeout({ timeoutMs: 200 }), circuitBreaker(), timeout({ timeoutMs: 100 })],
      "remove the outer one",
    ],
    ["a retry inside a hedge", [hedge({ delayMs: 5 }), retry()], "put a retry outside the hedge"],
    ["two hedges", [hedge({ delayMs: 5 }), hedge({ delayMs: 5 })], "keep one hedge"],
    [
      "a hedge inside a breaker",
      [circuitBreaker(), hedge({ delayMs: 5 })],
      "put the hedge outside the circuit breaker",
    ],
    ["a hedge inside a limit", [limit(), hedge({ delayMs: 5 })], "put the concurrency limit inside the hedge"],
    ["a fallback inside a hedge", [hedge({ delayMs: 5 }), empty()], "put the fallback outside the hedge"],
    [
      "a single flight inside a hedge",
      [hedge({ delayMs: 5 }), singleFlight()],
      "put the single flight outside the hedge",
    ],
    ["chaos outside a hedge", [monkey(), hedge({ delayMs: 5 })], "put chaos innermost"],
    [
      "a hedge that would come after the deadline",
      [timeout({ timeoutMs: 100 }), hedge({ delayMs: 100 })],
      "make the delay of the hedge shorter",
    ],
    [
      "a hedge that would come after the attempt has ended",
      [hedge({ delayMs: 100 }), timeout({ timeoutMs: 100 })],
      "make the delay of the hedge shorter",
    ],
  ])("refuses %s, and names the fix", (_, policies, fix) => {
    const problems = problemsOf(...policies);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(fix);
  });

  it("says which policies, where they stand and why", () => {
    expect(() => pipeline("orders", circuitBreaker(), retry())).toThrow(
      'pipeline("orders"): circuit-breaker (policy 1) stands outside retry (policy 2): the circuit breaker never sees ' +
        "the failures that the retry inside it makes good; put the retry outside the circuit breaker.",
    );
  });

  const unseen = "the failures that the fallback inside it answers";
  const notShorter = "the inner timeout is not shorter than the outer one, which always ends the call first";
  const idle = "nothing between the two timeouts takes time, so that the outer one can never act";
  const hidden = "what chaos injects never reaches the policies inside it";

  it.each<[Policy, Policy, string]>([
    [limit(), retry(), "a permit would be held during the back-off, while nothing runs"],
    [retry(), retry(), "the attempts of two retries multiply"],
    [retry(), empty(), `the retry never sees ${unseen}`],
    [circuitBreaker(), empty(), `the circuit breaker never sees ${unseen}`],
    [stored(), empty(), "the cache would keep the answers that the fallback makes up"],
    [timeout({ timeoutMs: 100 }), timeout({ timeoutMs: 100 }), notShorter],
    [timeout({ timeoutMs: 100 }), timeout({ timeoutMs: 101 }), notShorter],
    [timeout({ timeoutMs: 101 }), timeout({ timeoutMs: 100 }), idle],
    ...[empty(), timeout(), retry(), circuitBreaker(), limit(), adaptiveThrottle(), balance()].map(
      (inner): [Policy, Policy, string] => [monkey(), inner, hidden],
    ),
    ...[retry(), hedge()].map((inner): [Policy, Policy, string] => [
      adaptiveThrottle(),
      inner,
      "the adaptive throttle neither refuses nor sees the attempts that are made inside it, but only how they end in all",
    ]),
    [
      adaptiveThrottle(),
      empty(),
      "the adaptive throttle never sees that calls are turned away which the fallback inside it answers",
    ],
    [
      circuitBreaker(),
      adaptiveThrottle(),
      "the adaptive throttle would refuse probes of the circuit, which stays half-open meanwhile",
    ],
    ...[retry(), hedge()].map((inner): [Policy, Policy, string] => [
      balance(),
      inner,
      "every attempt would go to the endpoint of the first",
    ]),
    ...[limit(), paced()].map((inner): [Policy, Policy, string] => [
      balance(),
      inner,
      "the endpoint would be chosen before the call waits for its turn, and the wait taken for the endpoint's",
    ]),
    [balance(), empty(), "the load balance never sees the failures that the fallback inside it answers"],
    [limit(), adaptiveThrottle(), "a call would wait for its permit only to be refused"],
  ])("says why $0.kind may not stand outside $1.kind", (outer, inner, why) => {
    const problems = problemsOf(outer, inner);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(`${outer.kind} (policy 1) stands outside ${inner.kind} (policy 2): ${why}; `);
  });

  it.each<Policy>([retry(), hedge(), limit(), paced(), stored(), singleFlight(), empty()])(
    "accepts a $kind between two timeouts, but not outside both",
    (policy) => {
      const [outer, inner] = [timeout({ timeoutMs: 200 }), timeout({ timeoutMs: 100 })];
      expect(problemsOf(outer, policy, inner)).toEqual([]);
      expect(problemsOf(policy, outer, inner)).toHaveLength(1);
    },
  );

  it.each<[Policy, string]>([
    [retry(), "retry"],
    [hedge(), "hedge"],
    [limit(), "concurrency-limit"],
  ])("refuses load shedding inside $0.kind", (outer, kind) => {
    const shed = loadShed({ signals: [{ name: "none", read: () => 0 }] });
    expect(problemsOf(outer, shed)).toEqual([
      `${kind} (policy 1) stands outside load-shed (policy 2): it decides once, before anything waits; put load-shed outside.`,
    ]);
  });

  it("asks a policy of the user's own for its rules", () => {
    const audit: Policy = {
      kind: "audit",
      leave: () => "pass",
      orderRules: [{ outer: ["audit"], inner: ["retry"], why: "it would see no attempt", fix: "put audit inside" }],
    };
    expect(problemsOf(audit, retry())).toEqual([
      "audit (policy 1) stands outside retry (policy 2): it would see no attempt; put audit inside.",
    ]);
    expect(problemsOf(retry(), audit)).toEqual([]);
  });

  it("names every wrong pair", () => {
    const problems = problemsOf(limit(), circuitBreaker(), retry());
    expect(problems).toHaveLength(2);
    const error = new PolicyOrderError("orders", problems);
    expect(error).toMatchObject({ name: "PolicyOrderError", code: "ERR_POLICY_ORDER", pipeline: "orders" });
    expect(error.message).toBe(`pipeline("orders"): ${problems[0]} ${problems[1]}`);
  });

  it("looks into nested pipelines", () => {
    const inner = pipeline("inner", retry());
    expect(() => pipeline("outer", circuitBreaker(), inner)).toThrow(PolicyOrderError);
  });

  it("accepts the usual orders", () => {
    const total = timeout({ timeoutMs: 1000 });
    const attempt = timeout({ timeoutMs: 100 });
    expect(problemsOf(empty(), total, retry(), circuitBreaker(), limit(), attempt)).toEqual([]);
    expect(problemsOf(total, retry(), hedge({ delayMs: 50 }), circuitBreaker(), limit(), attempt)).toEqual([]);
    expect(problemsOf(total, hedge(), attempt)).toEqual([]);
    expect(problemsOf(total, limit(), attempt)).toEqual([]);
    const attempts = [retry(), hedge(), adaptiveThrottle(), circuitBreaker(), limit(), balance(), attempt, monkey()];
    expect(problemsOf(empty(), total, paced(), ...attempts)).toEqual([]);
    expect(problemsOf(limit(), circuitBreaker(), attempt)).toEqual([]);
  });

  it("takes any order when it is told to", () => {
    const odd = pipeline({ name: "odd", checkOrder: false }, circuitBreaker(), retry());
    expect(odd.policies.map(({ kind }) => kind)).toEqual(["circuit-breaker", "retry"]);
  });
});

describe("Pipeline.describe", () => {
  it("gives a line to each policy, outermost first", () => {
    const described = pipeline("orders", timeout({ timeoutMs: 2000 }), { kind: "audit", leave: () => "pass" })
      .describe()
      .split("\n");
    expect(described[0]).toBe('pipeline "orders"');
    expect(described[1]).toMatch(/^ {2}timeout/);
    expect(described[2]).toBe("  audit");
    expect(described[3]).toBe("  operation");
  });

  it("writes what each says of itself in a column", () => {
    expect(pipeline("orders", timeout({ timeoutMs: 2000 }), retry(), limit()).describe()).toBe(
      [
        'pipeline "orders"',
        "  timeout            2000 ms",
        "  retry              3 attempts",
        "  concurrency-limit  1 at once, no queue",
        "  operation",
      ].join("\n"),
    );
  });

  it("describes a pipeline without policies", () => {
    expect(pipeline("bare").describe()).toBe('pipeline "bare"\n  operation');
  });
});
