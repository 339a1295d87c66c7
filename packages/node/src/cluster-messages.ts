// What the primary and a worker say to each other over the channel that `node:cluster` gives them. A brand keeps it apart
// from what an application sends there.
import type { MergeableMetric } from "@headgate/core/metrics";

export type ToWorker =
  | { readonly headgate: "stop"; readonly trigger: string; readonly reload: boolean }
  /** Wanted: a `snapshot` with the same id. */
  | { readonly headgate: "collect"; readonly id: number }
  /** The answer to `stopped`. */
  | { readonly headgate: "released" }
  /** The answer to `collect-all`. */
  | { readonly headgate: "merged"; readonly id: number; readonly metrics: readonly MergeableMetric[] };

export type ToPrimary =
  | { readonly headgate: "ready" }
  | { readonly headgate: "failed"; readonly message: string }
  /** Its server is closed. Wanted: `released`, behind every connection that was on its way to the worker. */
  | { readonly headgate: "stopped" }
  /** Without an id the last one of a worker that stops. */
  | { readonly headgate: "snapshot"; readonly id: number | undefined; readonly metrics: readonly MergeableMetric[] }
  | { readonly headgate: "collect-all"; readonly id: number };

export function isOurs(message: unknown): message is { readonly headgate: string } {
  return typeof message === "object" && message !== null && "headgate" in message;
}
