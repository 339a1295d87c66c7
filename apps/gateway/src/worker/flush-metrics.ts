// Metrics over OTLP from Workers, where a timer ends with its request: after a response, as work that `waitUntil` keeps.
//
// Each isolate reports for itself, cumulative and under an instance id of its own. Nothing is shared between exports:
// one that its request abandons would otherwise stand in the way of all that follow.
import { systemClock } from "@headgate/core";
import { type Telemetry, toResourceMetrics } from "@headgate/otel";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
import { type Resource, resourceFromAttributes } from "@opentelemetry/resources";

const minGapMs = 5000;
const exportTimeoutMs = 5000;

/** The first request has begun before its end is the first that is heard of it. */
const firstRequestMs = 1000;

interface Identity {
  readonly resource: Resource;
  readonly startTimeMs: number;
}

/**
 * Gives the function to call after each response: `context.waitUntil(flush(endpoint))`. It sends at once, or when 5 s
 * have passed since the last time, so that what comes last is sent too; a call whose numbers another one will send
 * does nothing. Never rejects.
 */
export function flushMetrics(telemetry: Telemetry): (endpoint: string) => Promise<void> {
  let identity: Identity | undefined;
  let dueMs = 0;
  return async (endpoint) => {
    const nowMs = Date.now();
    // By time and not by a flag: the request that was to send may have been killed.
    if (nowMs < dueMs) return;
    dueMs = Math.max(nowMs, dueMs + minGapMs);
    if (dueMs > nowMs) await systemClock.sleep(dueMs - nowMs);
    // Not earlier: at module scope Workers know neither time nor chance.
    identity ??= newIdentity(nowMs);
    await exportOnce(telemetry, endpoint, identity);
  };
}

function newIdentity(nowMs: number): Identity {
  return {
    resource: resourceFromAttributes({
      "service.name": "headgate-gateway",
      "service.instance.id": crypto.randomUUID(),
    }),
    startTimeMs: nowMs - firstRequestMs,
  };
}

async function exportOnce(telemetry: Telemetry, endpoint: string, identity: Identity): Promise<void> {
  try {
    const exporter = new OTLPMetricExporter({
      url: `${endpoint.replace(/\/+$/, "")}/v1/metrics`,
      timeoutMillis: exportTimeoutMs,
    });
    const metrics = toResourceMetrics(telemetry.collect(), { ...identity, timeMs: Date.now() });
    const error = await new Promise<Error | undefined>((done) => {
      exporter.export(metrics, (result) => done(result.error));
    });
    if (error) console.warn(`Metrics cannot be sent: ${error.message}`, error.cause ?? "");
  } catch (error) {
    console.warn(`Metrics cannot be sent: ${String(error)}`);
  }
}
