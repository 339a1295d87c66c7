// Headgate's contenders. No number stands in them.
import { adaptiveLimit, circuitBreaker, pipeline, retry, standardPipeline, timeWindow, timeout } from "@headgate/core";
import type { Send } from "./contenders.ts";

export function standard(send: Send) {
  const guarded = standardPipeline({ name: "upstream" });
  return (caller: AbortSignal): Promise<string> =>
    guarded.execute((context) => send(context.signal), { signal: caller });
}

export function adaptive(send: Send) {
  const limit = adaptiveLimit({ maxQueue: 100, order: "adaptive-lifo" });
  const guarded = pipeline("upstream", timeout(), retry(), circuitBreaker({ trip: timeWindow() }), limit);
  return (caller: AbortSignal): Promise<string> =>
    guarded.execute((context) => send(context.signal), { signal: caller });
}
