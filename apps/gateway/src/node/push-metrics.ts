// Metrics over OTLP from Node: the official reader and exporter, fed with our own counts.
import { randomUUID } from "node:crypto";
import { type Telemetry, toResourceMetrics } from "@headgate/otel";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
import { detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import { MeterProvider, type MetricProducer, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";

export interface PushMetricsOptions {
  /** What is sent: a telemetry's metrics, or those of several sources. */
  readonly telemetry: Pick<Telemetry, "collect">;
  /** The collector's base URL, as in `OTEL_EXPORTER_OTLP_ENDPOINT`: `/v1/metrics` is added. */
  readonly endpoint: string;
  /** @default 10000 */
  readonly intervalMs?: number;
  /** Is told once when sending begins to fail. @default console.warn */
  readonly warn?: ((message: string) => void) | undefined;
}

export interface MetricsPush {
  /** Sends once more, for 2 s at most, and stops. Never rejects. */
  stop(): Promise<void>;
}

const exportTimeoutMs = 5000;
const lastExportMs = 2000;

/**
 * Sends all metrics every `intervalMs`, cumulative, without holding the process. The names in `OTEL_SERVICE_NAME` and
 * `OTEL_RESOURCE_ATTRIBUTES` and the headers in `OTEL_EXPORTER_OTLP_HEADERS` are honoured.
 */
export function pushMetrics(options: PushMetricsOptions): MetricsPush {
  const { telemetry, endpoint, intervalMs = 10_000, warn = (message) => console.warn(message) } = options;
  const startTimeMs = Date.now();
  const resource = resourceFromAttributes({
    "service.name": "headgate-gateway",
    "service.instance.id": randomUUID(),
  }).merge(detectResources({ detectors: [envDetector] }));
  const producer: MetricProducer = {
    async collect() {
      const metrics = telemetry.collect();
      return { resourceMetrics: toResourceMetrics(metrics, { resource, startTimeMs, timeMs: Date.now() }), errors: [] };
    },
  };
  const timeoutMillis = Math.min(exportTimeoutMs, intervalMs);
  const url = `${endpoint.replace(/\/+$/, "")}/v1/metrics`;
  const exporter = new WarningExporter({ url, timeoutMillis }, warn);
  const reader = new PeriodicExportingMetricReader({
    exporter,
    exportIntervalMillis: intervalMs,
    exportTimeoutMillis: timeoutMillis,
    metricProducers: [producer],
  });
  // The reader starts with the provider it belongs to.
  const provider = new MeterProvider({ resource, readers: [reader] });
  return {
    async stop() {
      try {
        // A collector that hangs must not keep the process from stopping.
        await provider.shutdown({ timeoutMillis: lastExportMs });
      } catch {
        exporter.warn(`no answer within ${lastExportMs} ms`);
      }
      exporter.quiet = true;
    },
  };
}

/** Without a logger of the SDK's own a collector that refuses would never be noticed. */
class WarningExporter extends OTLPMetricExporter {
  /** What becomes of an export that nobody waits for any more is not worth a warning. */
  quiet = false;
  #failing = false;
  readonly #tell: (message: string) => void;

  constructor(config: ConstructorParameters<typeof OTLPMetricExporter>[0], tell: (message: string) => void) {
    super(config);
    this.#tell = tell;
  }

  override export(...[metrics, done]: Parameters<OTLPMetricExporter["export"]>): void {
    super.export(metrics, (result) => {
      if (result.error) this.warn(result.error.message);
      else this.#failing = false;
      done(result);
    });
  }

  /** Once for a series of failures. */
  warn(reason: string): void {
    if (!this.quiet && !this.#failing) this.#tell(`Metrics cannot be sent: ${reason}`);
    this.#failing = true;
  }
}
