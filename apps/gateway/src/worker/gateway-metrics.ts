// The Durable Object that adds up what all isolates of the gateway have counted, and pushes it over OTLP where a collector is
// named.
import type { Metric } from "@headgate/otel";
import { type DurableObjectStateLike, HeadgateMetrics, type MetricsReport } from "@headgate/workers";
import { exportMetrics, type OtlpEnv, warnNotSent } from "./export-metrics.ts";

export interface MetricsEnv extends OtlpEnv {
  /** How often they are pushed, in milliseconds. @default 30000 */
  readonly OTEL_METRIC_EXPORT_INTERVAL?: string;
}

export class GatewayMetrics extends HeadgateMetrics<Metric> {
  readonly #env: MetricsEnv;

  constructor(state: DurableObjectStateLike, env: MetricsEnv) {
    const intervalMs = Number(env.OTEL_METRIC_EXPORT_INTERVAL || 30_000);
    super(state, env, { intervalMs, onError: warnNotSent });
    this.#env = env;
  }

  protected override async push(report: MetricsReport<Metric>): Promise<void> {
    if (this.#env.OTEL_EXPORTER_OTLP_ENDPOINT) await exportMetrics(this.#env, report);
  }
}
