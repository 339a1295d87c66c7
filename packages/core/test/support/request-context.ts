/// <reference types="node" />
// The asynchronous context of a request, and virtual time that keeps it as a host's timers do.
import { AsyncLocalStorage } from "node:async_hooks";
import type { Clock } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";

export const request: AsyncLocalStorage<string> = new AsyncLocalStorage();

/** Virtual time whose callbacks run in the context that armed them, as a host's timers do. */
export class HostLikeClock extends TestClock {
  override after(delayMs: number, callback: () => void): ReturnType<Clock["after"]> {
    const inContext = AsyncLocalStorage.snapshot();
    return super.after(delayMs, () => inContext(callback));
  }
}

/** What the code of each call saw of its request. */
export function notes() {
  const seen: string[] = [];
  return { seen, note: (what: string) => void seen.push(`${request.getStore()} ${what}`) };
}
