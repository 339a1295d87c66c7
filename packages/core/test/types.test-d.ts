// What the types promise; `tsc` checks it and nothing runs.
import {
  cache,
  type CircuitBreaker,
  circuitBreaker,
  concurrencyLimit,
  type HeadgateEvent,
  isHeadgateError,
  type OperationResult,
  type Permit,
  pipeline,
  type Pipeline,
  type Policy,
  retry,
  standardPipeline,
  timeout,
} from "@headgate/core";
import { resilientFetch } from "@headgate/core/fetch";
import { mapConcurrent } from "@headgate/core/streams";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Wants another argument, which nobody can give, where the types differ. */
declare function expectType<Expected>(): <Actual>(
  value: Actual,
  ...differs: Equal<Expected, Actual> extends true ? [] : [never]
) => void;

const orders = pipeline("orders", timeout({ timeoutMs: 1000 }), retry(), circuitBreaker());
expectType<Pipeline>()(orders);

// A value keeps its type, whether the operation is synchronous or not.
expectType<Promise<number>>()(orders.execute(() => 1));
expectType<Promise<{ id: string }>>()(orders.execute(async () => ({ id: "a" })));
expectType<Promise<OperationResult<string>>>()(orders.attempt(async () => "a"));

// A result says whether there is a value before it gives one.
const result = await orders.attempt(() => 1);
if (result.ok) expectType<number>()(result.value);
else expectType<unknown>()(result.error);
// @ts-expect-error: without asking there is no value
void result.value;

// Predicates are given what the operation returns.
void orders.execute(async () => ({ status: 200 }), { isFailure: ({ status }) => status >= 500 });
// @ts-expect-error: it has no such field
void orders.execute(async () => ({ status: 200 }), { isFailure: ({ code }) => code >= 500 });

// Policies are policies, and know their own state.
const breaker: CircuitBreaker = circuitBreaker({ name: "db" });
expectType<"closed" | "half-open" | "open">()(breaker.state);
const policies: readonly Policy[] = [breaker, concurrencyLimit({ maxConcurrent: 1 }), cache({ freshMs: 1 })];
void policies;
// @ts-expect-error: a limit has no default
concurrencyLimit({});
// @ts-expect-error: no such option
timeout({ timeoutMS: 1 });
// @ts-expect-error: what is handed out is not to be changed
breaker.name = "other";

expectType<Promise<Permit>>()(concurrencyLimit({ maxConcurrent: 1 }).acquire());
expectType<Pipeline>()(standardPipeline({ name: "users" }));
expectType<Promise<Response>>()(resilientFetch()("https://api.example"));
for await (const length of mapConcurrent(["a"], async (text) => text.length, { maxConcurrent: 1 }))
  expectType<number>()(length);

// Events are told apart by their type, errors by their brand.
export function stateOf(event: HeadgateEvent): string {
  return event.type === "circuit-breaker.opened" ? `${event.name} for ${event.openMs} ms` : event.type;
}
export function codeOf(error: unknown): string | undefined {
  return isHeadgateError(error) ? error.code : undefined;
}
