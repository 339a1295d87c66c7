// Load shedding of one route: by its own limit on every runtime, and by what the runtime can tell of itself.
import {
  type Clock,
  type ConcurrencyLimit,
  limitSignal,
  loadShed,
  type LoadShed,
  type OverloadBounds,
  type Random,
  type ShedSignal,
} from "@headgate/core";
import { formatPriority, priorityField, readPriority } from "@headgate/core/fetch";
import type { RouteConfig } from "./config.ts";
import { field } from "./headers.ts";
import type { HeaderList } from "./upstream.ts";

export interface RouteLoadShed {
  readonly policy: LoadShed;
  /** What the policies are told of a request. */
  callOf(headers: HeaderList): { readonly priority: number; readonly key: string | undefined };
}

/** Undefined for a route that does not want it. */
export function routeLoadShed(
  { name, loadShed: options, concurrencyLimit }: RouteConfig,
  limit: ConcurrencyLimit,
  seams: { readonly clock: Clock; readonly random: Random; readonly signals: readonly ShedSignal[] },
): RouteLoadShed | undefined {
  if (!options.enabled) return undefined;
  const { clock, random, signals } = seams;
  const bounds = boundsOf(concurrencyLimit.maxQueue / concurrencyLimit.maxConcurrent);
  const policy = loadShed({ name, signals: [limitSignal(limit, { bounds }), ...signals], clock, random });
  const { tenantHeader, trustPriority } = options;
  const tenantField = tenantHeader?.toLowerCase();
  return {
    policy,
    callOf: (headers) => ({
      priority: readPriority({ get: (fieldName) => field(headers, fieldName) }, trustPriority),
      key: tenantField && field(headers, tenantField),
    }),
  };
}

/** Overload begins before the queue is full, and where there is none before the limit is used up. */
function boundsOf(queue: number): OverloadBounds {
  return queue === 0 ? [0.8, 1] : [1 + Math.min(0.5, queue / 4), 1 + Math.min(1.5, queue)];
}

/**
 * The fields of a request with the priority that it has here, whatever the client has sent: the upstream may believe the
 * gateway. Attempts after the first are a class lower.
 */
export function withPriority(headers: HeaderList, priority: number, attempt: number): string[] {
  const out: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (name.toLowerCase() !== priorityField) out.push(name, headers[i + 1] as string);
  }
  out.push(priorityField, formatPriority(priority, attempt));
  return out;
}
