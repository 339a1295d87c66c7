// What an HTTP server has served. What tells requests apart comes from outside, so the number of series has a bound.
import type { Shared } from "./counts.ts";
import * as definitions from "./definitions.ts";
import { Histogram } from "./histogram.ts";
import type { Attributes, HistogramPoint, Metric } from "./metrics.ts";

const { errorType, httpMethod, httpRoute, httpServerActive, httpServerDuration, httpStatus, other, urlScheme } =
  definitions;

/** Different combinations of attributes. */
const maxSeries = 2000;

/** A request that is over. */
export interface ServedRequest {
  /** A known method in capitals, else `_OTHER`. */
  readonly method: string;
  /** `http` or `https`. */
  readonly scheme: string;
  /** The pattern of the route, `/users/:id`; undefined where there is none. */
  readonly route: string | undefined;
  readonly status: number;
  /** What it failed with; undefined without an error. */
  readonly error: unknown;
}

/** Where an HTTP server counts its requests. */
export interface HttpServerTelemetry {
  /** A request has begun: 1. One is over: -1. */
  active(change: 1 | -1, method: string, scheme: string): void;
  /** A request is over. */
  served(request: ServedRequest, seconds: number): void;
}

interface Series {
  readonly attributes: Attributes;
  readonly durations: Histogram;
}

export class HttpServerCounts implements HttpServerTelemetry {
  readonly #shared: Shared;
  readonly #series = new Map<string, Series>();
  readonly #active = new Map<string, { readonly attributes: Attributes; value: number }>();

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  active(change: 1 | -1, method: string, scheme: string): void {
    const key = `${method} ${scheme}`;
    let active = this.#active.get(key);
    if (active === undefined) {
      if (this.#active.size >= maxSeries && method !== other) return this.active(change, other, "http");
      active = { attributes: { [httpMethod]: method, [urlScheme]: scheme }, value: 0 };
      this.#active.set(key, active);
    }
    active.value += change;
  }

  served(request: ServedRequest, seconds: number): void {
    const { method, scheme, route, status, error } = request;
    const type = this.#typeOf(status, error);
    const { attributes, durations } = this.#seriesOf({
      [httpMethod]: method,
      [urlScheme]: scheme,
      ...(route === undefined ? {} : { [httpRoute]: route }),
      [httpStatus]: status,
      ...(type === undefined ? {} : { [errorType]: type }),
    });
    // A clock that was set back must not take anything off a sum that only rises.
    const taken = seconds > 0 ? seconds : 0;
    durations.record(taken);
    this.#shared.record?.(httpServerDuration, taken, attributes);
  }

  metrics(): Metric[] {
    const durations = Array.from(this.#series.values(), ({ attributes, durations: { count, sum, counts } }) => {
      const point: HistogramPoint = { attributes, count, sum, bucketCounts: [...counts] };
      return point;
    });
    const active = Array.from(this.#active.values(), ({ attributes, value }) => ({ attributes, value }));
    return [
      { ...httpServerDuration, points: durations },
      { ...httpServerActive, points: active },
    ];
  }

  #seriesOf(attributes: Attributes): Series {
    const key = JSON.stringify(attributes);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    const overflow = { [httpMethod]: other, [urlScheme]: "http", [httpRoute]: other };
    const isOverflow = attributes[httpRoute] === other;
    if (this.#series.size >= maxSeries && !isOverflow) return this.#seriesOf(overflow);
    const made = { attributes, durations: new Histogram(httpServerDuration.name, httpServerDuration.boundaries) };
    this.#series.set(key, made);
    return made;
  }

  /** An error by its name, a failed response without one by its status: so the conventions say. */
  #typeOf(status: number, error: unknown): string | undefined {
    if (error !== undefined) return this.#shared.errorTypes.of(error);
    return status >= 500 ? String(status) : undefined;
  }
}
