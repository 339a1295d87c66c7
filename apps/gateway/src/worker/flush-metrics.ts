// Metrics over OTLP from Workers without a Durable Object: after a response, as work that `waitUntil` keeps. Each isolate reports
// for itself, cumulative and under an instance id of its own.
import { systemClock } from "@headgate/core";
import type { Telemetry } from "@headgate/otel";
import { exportMetrics, type OtlpEnv, warnNotSent } from "./export-metrics.ts";

const minGapMs = 5000;

/** The first request has begun before its end is the first that is heard of it. */
const firstRequestMs = 1000;

interface Identity {
  readonly instanceId: string;
  readonly startTimeMs: number;
}

/**
 * Gives the function to call after each response: `context.waitUntil(flush(env))`. It sends at once, or when 5 s
 * have passed since the last time, so that what comes last is sent too; a call whose numbers another one will send
 * does nothing. Never rejects.
 */
export function flushMetrics(telemetry: Telemetry): (env: OtlpEnv) => Promise<void> {
  let identity: Identity | undefined;
  let dueMs = 0;
  return async (env) => {
    const nowMs = Date.now();
    // By time and not by a flag: the request that was to send may have been killed.
    if (nowMs < dueMs) return;
    dueMs = Math.max(nowMs, dueMs + minGapMs);
    if (dueMs > nowMs) await systemClock.sleep(dueMs - nowMs);
    // Not earlier: at module scope Workers know neither time nor chance.
    identity ??= { instanceId: crypto.randomUUID(), startTimeMs: nowMs - firstRequestMs };
    try {
      await exportMetrics(env, { ...identity, metrics: telemetry.collect(), timeMs: Date.now() });
    } catch (error) {
      warnNotSent(error);
    }
  };
}
