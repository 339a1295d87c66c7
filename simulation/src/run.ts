// One run: a scenario, a contender, a seed. The policies are the real ones, in real pipelines on virtual time.
import {
  adaptiveLimit,
  type Limit,
  type Pipeline,
  pipeline,
  type Policy,
  type Random,
  retry,
  timeout,
} from "@headgate/core";
import { SeededRandom } from "@headgate/core/testing";
import { type End, PhaseMeasure, type Slice } from "./measures.ts";
import { Server, type Service } from "./server.ts";
import { VirtualTime } from "./virtual-time.ts";

export interface Phase {
  readonly name: string;
  readonly seconds: number;
  /** Calls per second that are offered, by all clients together. */
  readonly perSecond: number;
  /** Work takes so many times as long. @default 1 */
  readonly slowness?: number;
  /** Nothing is finished. @default false */
  readonly hangs?: boolean;
  /** Whether nothing should be refused. @default false */
  readonly healthy?: boolean;
}

export interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly workers: number;
  readonly service: Service;
  readonly phases: readonly Phase[];
  /** Processes that call the server, each with a limit of its own. @default 1 */
  readonly clients?: number;
  /** After how long an attempt is given up. @default never */
  readonly timeoutMs?: number;
  /** Attempts in all, the first included. @default 1 */
  readonly maxAttempts?: number;
}

export interface Contender {
  readonly name: string;
  /** All clients go through one gate, as if they were one. @default false */
  readonly shared?: boolean;
  /** A limit for each client of a server. */
  readonly limit: (scenario: Scenario) => Limit;
}

export interface RunResult {
  /** Of the second half of each phase, by the phase's name. */
  readonly phases: Readonly<Record<string, PhaseMeasure>>;
  /** Of each phase from its beginning. */
  readonly whole: Readonly<Record<string, PhaseMeasure>>;
  readonly slices: readonly Slice[];
  readonly limits: readonly Limit[];
  /** Attempts that reached the server. */
  readonly attempts: number;
}

const slicesPerRun = 240;

/** The gate of every contender: a queue would hide what the limits do. */
export const gate = { maxQueue: 0 } as const;

class Run {
  readonly time = new VirtualTime();
  readonly scenario: Scenario;
  readonly server: Server;
  readonly pipelines: Pipeline[] = [];
  readonly limits: Limit[] = [];
  readonly slices: Slice[] = [];
  attempts = 0;
  private readonly arrivals: Random;
  private measured: PhaseMeasure[] = [];

  constructor(scenario: Scenario, contender: Contender, seed: number) {
    this.scenario = scenario;
    this.arrivals = new SeededRandom(seed);
    this.server = new Server(this.time, new SeededRandom(seed + 1_000_003), scenario.workers, scenario.service);
    const random = new SeededRandom(seed + 2_000_003);
    const { timeoutMs, maxAttempts = 1, clients = 1 } = scenario;
    const clock = this.time;
    const gates = Array.from({ length: contender.shared ? 1 : clients }, () => {
      const limit = contender.limit(scenario);
      this.limits.push(limit);
      return adaptiveLimit({ ...gate, limit, clock });
    });
    for (let client = 0; client < clients; client++) {
      const policies: (Policy | false | undefined)[] = [
        maxAttempts > 1 && retry({ maxAttempts, clock, random }),
        gates[client % gates.length],
        timeoutMs !== undefined && timeout({ timeoutMs, clock }),
      ];
      this.pipelines.push(
        pipeline({ name: `client ${client}`, clock }, ...policies.filter((each) => typeof each === "object")),
      );
    }
  }

  async all(): Promise<RunResult> {
    const phases: Record<string, PhaseMeasure> = {};
    const whole: Record<string, PhaseMeasure> = {};
    this.takeSlices();
    for (const phase of this.scenario.phases) {
      const halfMs = (phase.seconds * 1000) / 2;
      const startMs = this.time.now();
      const all = (whole[phase.name] = new PhaseMeasure(2 * halfMs));
      const second = (phases[phase.name] = new PhaseMeasure(halfMs));
      this.server.slowness = phase.slowness ?? 1;
      this.server.hanging = phase.hangs ?? false;
      this.measured = [all];
      this.arrive(phase.perSecond, startMs + 2 * halfMs);
      await this.time.run(startMs + halfMs);
      this.measured = [all, second];
      await this.time.run(startMs + 2 * halfMs);
    }
    return { phases, whole, slices: this.slices, limits: this.limits, attempts: this.attempts };
  }

  /** Open arrivals: callers come whether or not those before them were served. */
  private arrive(perSecond: number, untilMs: number): void {
    const next = () => {
      const atMs = this.time.now() - Math.log(1 - this.arrivals.next()) * (1000 / perSecond);
      if (atMs < untilMs)
        this.time.at(atMs, () => {
          next();
          this.call();
        });
    };
    next();
  }

  private call(): void {
    const client = this.pipelines.length === 1 ? 0 : Math.floor(this.arrivals.next() * this.pipelines.length);
    const startMs = this.time.now();
    const { measured } = this;
    const slice = this.slices.at(-1) as Slice;
    for (const measure of measured) measure.offered++;
    slice.offered++;
    const withSignal = this.scenario.timeoutMs !== undefined;
    void (this.pipelines[client] as Pipeline)
      .attempt((context) => {
        this.attempts++;
        return this.server.serve(withSignal ? context.signal : undefined);
      })
      .then((result) => {
        const end: End = result.ok ? "good" : result.outcome === "ignored" ? "refused" : "timed-out";
        const latencyMs = this.time.now() - startMs;
        for (const measure of measured) measure.count(end, latencyMs);
        if (end !== "good") return;
        const now = this.slices.at(-1) as Slice;
        now.good++;
        now.latencySumMs += latencyMs;
      });
  }

  private takeSlices(): void {
    const seconds = this.scenario.phases.reduce((sum, phase) => sum + phase.seconds, 0);
    const durationMs = (seconds * 1000) / slicesPerRun;
    const next = () => {
      const last = this.slices.at(-1);
      if (last) last.limit = this.limits.reduce((sum, { limit }) => sum + limit, 0);
      // The last one is over when the run is.
      if (this.slices.length === slicesPerRun) return;
      this.slices.push({ startMs: this.time.now(), durationMs, offered: 0, good: 0, latencySumMs: 0, limit: 0 });
      this.time.after(durationMs, next);
    };
    next();
  }
}

export function run(scenario: Scenario, contender: Contender, seed: number): Promise<RunResult> {
  return new Run(scenario, contender, seed).all();
}
