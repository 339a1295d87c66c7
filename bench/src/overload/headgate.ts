// Headgate's contenders. No number stands in them.
import {
  adaptiveLimit,
  circuitBreaker,
  pipeline,
  retry,
  retryBudget,
  standardPipeline,
  timeout,
  timeWindow,
} from "@headgate/core";
import type { Send } from "./contenders.ts";

export function standard(send: Send) {
  const guarded = standardPipeline({ name: "upstream" });
  return (caller: AbortSignal): Promise<string> =>
    guarded.execute((context) => send(context.signal), { signal: caller });
}

/** Put together from its parts; without a queue. */
export function adaptive(send: Send) {
  const guarded = pipeline(
    "upstream",
    timeout(),
    retry({ budget: retryBudget() }),
    circuitBreaker({ trip: timeWindow() }),
    adaptiveLimit(),
  );
  return (caller: AbortSignal): Promise<string> =>
    guarded.execute((context) => send(context.signal), { signal: caller });
}
