// What an HTTP server has served. What tells requests apart comes from outside, so the number of series has a bound.
import { ByName, type Shared } from "./counts.ts";
import * as definitions from "./definitions.ts";
import { Histogram } from "./histogram.ts";
import type { Attributes, Metric } from "./metrics.ts";

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
  /** By method and scheme. */
  readonly #active = new ByName((key) => {
    const [method = other, scheme = "http"] = key.split(" ");
    return { attributes: { [httpMethod]: method, [urlScheme]: scheme }, value: 0 };
  });

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  active(change: 1 | -1, method: string, scheme: string): void {
    this.#active.of(`${method} ${scheme}`).value += change;
  }

  served(request: ServedRequest, seconds: number): void {
    const type = this.#typeOf(request.status, request.error);
    const { attributes, durations } = this.#seriesOf(request, type);
    // A clock that was set back must not take anything off a sum that only rises.
    const taken = seconds > 0 ? seconds : 0;
    durations.record(taken);
    this.#shared.record?.(httpServerDuration, taken, attributes);
  }

  metrics(): Metric[] {
    const durations = Array.from(this.#series.values(), (series) => {
      const { count, sum, counts } = series.durations;
      return { attributes: series.attributes, count, sum, bucketCounts: [...counts] };
    });
    return [
      { ...httpServerDuration, points: durations },
      { ...httpServerActive, points: this.#active.all().map((active) => ({ ...active })) },
    ];
  }

  #seriesOf({ method, scheme, route, status }: ServedRequest, type: string | undefined): Series {
    const key = `${method} ${scheme} ${status} ${type}\n${route}`;
    const full = this.#series.size >= maxSeries;
    const known = this.#series.get(key) ?? (full ? this.#series.get(other) : undefined);
    if (known !== undefined) return known;
    const attributes = {
      [httpMethod]: method,
      [urlScheme]: scheme,
      ...(route !== undefined && { [httpRoute]: route }),
      [httpStatus]: status,
      ...(type !== undefined && { [errorType]: type }),
    };
    const made = {
      attributes: full ? { [httpMethod]: other, [urlScheme]: "http", [httpRoute]: other } : attributes,
      durations: new Histogram(httpServerDuration.name, httpServerDuration.boundaries),
    };
    this.#series.set(full ? other : key, made);
    return made;
  }

  /** An error by its name, a failed response without one by its status: so the conventions say. */
  #typeOf(status: number, error: unknown): string | undefined {
    if (error !== undefined) return this.#shared.errorTypes.of(error);
    return status >= 500 ? String(status) : undefined;
  }
}
