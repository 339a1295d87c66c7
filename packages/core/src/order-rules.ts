// Which policies must not stand outside which others, and how to put that right: the rules that each of our policies brings
// along. Apart from the policies, so that they read side by side; one list for each, so that a bundle holds those it needs: a pair
// stands with the rarer of the two.
import type { OrderRule, Policy } from "./policy.ts";

/** Policies that make a call wait or run again, so that a deadline around them is another than one inside them. */
const takesTime: readonly string[] = [
  "retry",
  "hedge",
  "concurrency-limit",
  "rate-limit",
  "cache",
  "single-flight",
  "fallback",
];

const millis = (policy: Policy): number => (policy as { readonly timeoutMs?: number }).timeoutMs ?? 0;

/** Of a hedge that follows the latencies nobody knows. */
const delay = (policy: Policy): number => (policy as { readonly delayMs?: number }).delayMs ?? 0;

export const retryOrder: readonly OrderRule[] = [
  {
    outer: ["retry"],
    inner: ["retry"],
    why: "the attempts of two retries multiply",
    fix: "keep one of them",
  },
];

export const circuitBreakerOrder: readonly OrderRule[] = [
  {
    outer: ["circuit-breaker"],
    inner: ["retry"],
    why: "the circuit breaker never sees the failures that the retry inside it makes good",
    fix: "put the retry outside the circuit breaker",
  },
];

export const concurrencyLimitOrder: readonly OrderRule[] = [
  {
    outer: ["concurrency-limit"],
    inner: ["retry"],
    why: "a permit would be held during the back-off, while nothing runs",
    fix: "put the concurrency limit inside the retry",
  },
];

export const timeoutOrder: readonly OrderRule[] = [
  {
    outer: ["timeout"],
    inner: ["timeout"],
    applies: (outer, inner) => millis(inner) >= millis(outer),
    why: "the inner timeout is not shorter than the outer one, which always ends the call first",
    fix: "make the inner one shorter, or remove it",
  },
  {
    outer: ["timeout"],
    inner: ["timeout"],
    applies: (outer, inner, between) =>
      millis(inner) < millis(outer) && !between.some(({ kind }) => takesTime.includes(kind)),
    why: "nothing between the two timeouts takes time, so that the outer one can never act",
    fix: "remove the outer one, or put what waits or repeats between them",
  },
];

export const fallbackOrder: readonly OrderRule[] = [
  {
    outer: ["cache"],
    inner: ["fallback"],
    why: "the cache would keep the answers that the fallback makes up",
    fix: "put the fallback outside the cache",
  },
  {
    outer: ["retry"],
    inner: ["fallback"],
    why: "the retry never sees the failures that the fallback inside it answers",
    fix: "put the fallback outside the retry",
  },
  {
    outer: ["circuit-breaker"],
    inner: ["fallback"],
    why: "the circuit breaker never sees the failures that the fallback inside it answers",
    fix: "put the fallback outside the circuit breaker",
  },
  {
    outer: ["hedge"],
    inner: ["fallback"],
    why: "what the fallback inside it makes up would win over an attempt that still runs",
    fix: "put the fallback outside the hedge",
  },
  {
    outer: ["adaptive-throttle"],
    inner: ["fallback"],
    why: "the adaptive throttle never sees that calls are turned away which the fallback inside it answers",
    fix: "put the fallback outside the adaptive throttle",
  },
  {
    outer: ["load-balance"],
    inner: ["fallback"],
    why: "the load balance never sees the failures that the fallback inside it answers",
    fix: "put the fallback outside the load balance",
  },
];

export const hedgeOrder: readonly OrderRule[] = [
  {
    outer: ["hedge"],
    inner: ["hedge", "retry"],
    why: "each attempt of the hedge would have attempts of its own, and they multiply",
    fix: "put a retry outside the hedge, and keep one hedge",
  },
  {
    outer: ["circuit-breaker"],
    inner: ["hedge"],
    why: "the circuit breaker never sees the attempts that were too slow",
    fix: "put the hedge outside the circuit breaker",
  },
  {
    outer: ["concurrency-limit"],
    inner: ["hedge"],
    why: "one permit would stand for several operations at once",
    fix: "put the concurrency limit inside the hedge",
  },
  {
    outer: ["timeout"],
    inner: ["hedge"],
    applies: (outer, inner) => delay(inner) >= millis(outer),
    why: "the timeout ends the call before a hedge is sent",
    fix: "make the delay of the hedge shorter",
  },
  {
    outer: ["hedge"],
    inner: ["timeout"],
    applies: (outer, inner) => delay(outer) >= millis(inner),
    why: "the timeout ends the attempt before a hedge is sent",
    fix: "make the delay of the hedge shorter",
  },
  {
    outer: ["chaos"],
    inner: ["hedge"],
    why: "what chaos injects never reaches the hedge inside it",
    fix: "put chaos innermost",
  },
];

export const singleFlightOrder: readonly OrderRule[] = [
  {
    outer: ["hedge"],
    inner: ["single-flight"],
    why: "a hedge would wait for the very operation that it is to overtake",
    fix: "put the single flight outside the hedge",
  },
];

export const chaosOrder: readonly OrderRule[] = [
  {
    outer: ["chaos"],
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
];

export const adaptiveThrottleOrder: readonly OrderRule[] = [
  {
    outer: ["adaptive-throttle"],
    inner: ["retry", "hedge"],
    why: "the adaptive throttle neither refuses nor sees the attempts that are made inside it, but only how they end in all",
    fix: "put the adaptive throttle inside",
  },
  {
    outer: ["circuit-breaker"],
    inner: ["adaptive-throttle"],
    why: "the adaptive throttle would refuse probes of the circuit, which stays half-open meanwhile",
    fix: "put the adaptive throttle outside the circuit breaker",
  },
  {
    outer: ["concurrency-limit"],
    inner: ["adaptive-throttle"],
    why: "a call would wait for its permit only to be refused",
    fix: "put the adaptive throttle outside the concurrency limit",
  },
];

export const loadBalanceOrder: readonly OrderRule[] = [
  {
    outer: ["load-balance"],
    inner: ["retry", "hedge"],
    why: "every attempt would go to the endpoint of the first",
    fix: "put the load balance inside",
  },
  {
    outer: ["load-balance"],
    inner: ["concurrency-limit", "rate-limit"],
    why: "the endpoint would be chosen before the call waits for its turn, and the wait taken for the endpoint's",
    fix: "put the load balance inside",
  },
];

export const loadShedOrder: readonly OrderRule[] = [
  {
    outer: ["retry", "hedge", "concurrency-limit"],
    inner: ["load-shed"],
    why: "it decides once, before anything waits",
    fix: "put load-shed outside",
  },
];
