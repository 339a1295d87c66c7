// What the handlers find in a request's context, on either runtime.
import type { Place } from "./room.ts";

export interface FlakyEnvironment {
  Bindings: {
    /** Node's own request, where Node serves; only as much of its shape as is used. */
    readonly incoming?: { readonly socket: { resetAndDestroy?(): void; destroy(): void } };
  };
  Variables: {
    /** The request's place among those being served. */
    place: Place;
  };
}

/** The options of an instance, with their defaults filled in. */
export interface Settings {
  readonly random: () => number;
  readonly maxQueueMs: number;
  readonly maxHangMs: number;
}
