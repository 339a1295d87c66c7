// What a run shows, from its answers and from what was sampled meanwhile.
import { quantile } from "../statistics.ts";
import type { Answer, Phase } from "./clients.ts";
import type { ServiceState } from "./service.ts";
import { attainable, type Upstream } from "./setting.ts";
import type { UpstreamState } from "./upstream.ts";

export interface Sample extends ServiceState, UpstreamState {
  readonly atMs: number;
}

export interface PhaseFigures {
  readonly name: string;
  /** Good answers a second. */
  readonly goodPerSecond: number;
  /** Of what nobody could do better: the load, or the upstream's capacity. */
  readonly share: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** How fast the refused were told; NaN when none was. */
  readonly refusedP99Ms: number;
  readonly refused: number;
  readonly gaveUp: number;
  readonly maxInFlight: number;
  readonly rssBytes: number;
  /** Requests to the upstream for each one that was not refused. */
  readonly callsPerAdmitted: number;
}

export interface Run {
  readonly contender: string;
  readonly phases: readonly PhaseFigures[];
  /** From the start of the last phase until a second passes with 90 % of its requests good; `Infinity` when none did. */
  readonly recoveredMs: number;
  /** Good answers in each second, for the chart. */
  readonly goodEachSecond: readonly number[];
}

/** Figures of each phase from its second half. */
export function measure(
  contender: string,
  upstream: Upstream,
  phases: readonly Phase[],
  answers: readonly Answer[],
  samples: readonly Sample[],
): Run {
  let startMs = 0;
  const figures = phases.map((phase) => {
    const [fromMs, toMs] = [startMs + phase.durationMs / 2, startMs + phase.durationMs];
    startMs = toMs;
    const within = <T extends { readonly atMs: number }>(all: readonly T[]) =>
      all.filter(({ atMs }) => atMs >= fromMs && atMs < toMs);
    return figuresOf(phase, attainable(upstream, phase), within(answers), within(samples));
  });
  const lastMs = phases.slice(0, -1).reduce((sum, { durationMs }) => sum + durationMs, 0);
  return {
    contender,
    phases: figures,
    recoveredMs: recoveredMs(answers, lastMs, startMs),
    goodEachSecond: Array.from(
      { length: Math.ceil(startMs / 1000) },
      (_, second) => answers.filter((answer) => Math.floor(answer.atMs / 1000) === second && answer.good).length,
    ),
  };
}

function figuresOf(
  phase: Phase,
  possible: number,
  answers: readonly Answer[],
  samples: readonly Sample[],
): PhaseFigures {
  const seconds = phase.durationMs / 2000;
  const goodPerSecond = answers.filter(({ good }) => good).length / seconds;
  const served = answers.filter(({ status }) => status === 200).map(({ latencyMs }) => latencyMs);
  const refused = answers.filter(({ status }) => status === 503).map(({ latencyMs }) => latencyMs);
  const [first, last] = [samples[0], samples.at(-1)];
  const calls = first && last ? (last.upstreamCalls - first.upstreamCalls) / ((last.atMs - first.atMs) / 1000) : 0;
  return {
    name: phase.name,
    goodPerSecond,
    // Requests come by chance: a few more may come than are expected.
    share: goodPerSecond / Math.min(possible, Math.max(answers.length / seconds, 1)),
    p50Ms: quantile(served, 0.5),
    p95Ms: quantile(served, 0.95),
    p99Ms: quantile(served, 0.99),
    refusedP99Ms: quantile(refused, 0.99),
    refused: refused.length,
    gaveUp: answers.filter(({ status }) => status <= 0).length,
    maxInFlight: Math.max(0, ...samples.map(({ inFlight }) => inFlight)),
    rssBytes: last?.rssBytes ?? Number.NaN,
    callsPerAdmitted: calls / ((answers.length - refused.length) / seconds),
  };
}

function recoveredMs(answers: readonly Answer[], fromMs: number, toMs: number): number {
  const inOrder = answers.filter(({ atMs }) => atMs >= fromMs).sort((a, b) => a.atMs - b.atMs);
  for (let startMs = fromMs; startMs + 1000 <= toMs; startMs += 100) {
    const second = inOrder.filter(({ atMs }) => atMs >= startMs && atMs < startMs + 1000);
    if (second.filter(({ good }) => good).length >= 0.9 * second.length) return startMs - fromMs;
  }
  return Number.POSITIVE_INFINITY;
}
