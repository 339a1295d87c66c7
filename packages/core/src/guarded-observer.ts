// Observers as the engine calls them: telling must not change a call.
import type { Observer } from "./observer.ts";

/** What the observer throws is dropped. */
export function guarded(observer: Observer): Observer {
  return (event) => {
    try {
      observer(event);
    } catch {}
  };
}

export function both(first: Observer, second: Observer): Observer {
  return (event) => {
    first(event);
    second(event);
  };
}
