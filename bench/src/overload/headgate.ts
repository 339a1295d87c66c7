// Headgate's contenders. No number stands in them.
import { pipeline, retry, standardPipeline, timeout } from "@headgate/core";
import type { Send } from "./contenders.ts";

export function standard(send: Send) {
  const guarded = standardPipeline({ name: "upstream" });
  return (caller: AbortSignal): Promise<string> =>
    guarded.execute((context) => send(context.signal), { signal: caller });
}

export function adaptive(send: Send) {
  const guarded = pipeline("upstream", timeout(), retry());
  return (caller: AbortSignal): Promise<string> =>
    guarded.execute((context) => send(context.signal), { signal: caller });
}
