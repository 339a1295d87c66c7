// One export over OTLP from Workers. A fresh exporter each time: one that its request has abandoned would stand in the way of
// all that follow.
import { type Metric, toResourceMetrics } from "@headgate/otel";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";

/** The variables of OpenTelemetry that are honoured here. */
export interface OtlpEnv {
  /** Where metrics go over OTLP; none without it. */
  readonly OTEL_EXPORTER_OTLP_ENDPOINT?: string;
  /** `key=value,…`, percent-encoded: what a collector asks for. */
  readonly OTEL_EXPORTER_OTLP_HEADERS?: string;
  /** @default "headgate-gateway" */
  readonly OTEL_SERVICE_NAME?: string;
}

export interface Export {
  readonly metrics: readonly Metric[];
  readonly instanceId: string;
  readonly startTimeMs: number;
  readonly timeMs: number;
}

/** It gives up after that, its own repetitions included. */
const exportTimeoutMs = 5000;

/** @throws why the collector has not taken them. */
export async function exportMetrics(env: OtlpEnv, { metrics, instanceId, startTimeMs, timeMs }: Export): Promise<void> {
  const exporter = new OTLPMetricExporter({
    url: `${(env.OTEL_EXPORTER_OTLP_ENDPOINT ?? "").replace(/\/+$/, "")}/v1/metrics`,
    headers: headersOf(env.OTEL_EXPORTER_OTLP_HEADERS ?? ""),
    timeoutMillis: exportTimeoutMs,
  });
  const resource = resourceFromAttributes({
    "service.name": env.OTEL_SERVICE_NAME || "headgate-gateway",
    "service.instance.id": instanceId,
  });
  const data = toResourceMetrics(metrics, { resource, startTimeMs, timeMs });
  const error = await new Promise<Error | undefined>((done) => {
    exporter.export(data, (result) => done(result.error));
  });
  if (error) throw error;
}

/** For the log: in one line. */
export function warnNotSent(error: unknown): void {
  console.warn(`Metrics cannot be sent: ${error instanceof Error ? error.message : String(error)}`);
}

function headersOf(list: string): Record<string, string> {
  return Object.fromEntries(
    list.split(",").flatMap((field) => {
      const at = field.indexOf("=");
      const decoded = (text: string): string => decodeURIComponent(text.trim());
      return at < 1 ? [] : [[decoded(field.slice(0, at)), decoded(field.slice(at + 1))]];
    }),
  );
}
