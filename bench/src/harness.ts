// Times cases against each other: many short rounds in one process, every case once a round, so that a change of the
// machine's load falls on all of them. Each case has a loop of its own, compiled for it alone; otherwise the calls of
// one case would make the code of another polymorphic.
//
// The collector is never forced. A forced collection clears the hidden classes of objects that died, and with them the
// optimised code that depends on these: it would punish whichever case has more classes, and no server does it.
import { setImmediate } from "node:timers/promises";
import { getHeapStatistics } from "node:v8";
import { median, medianRatio } from "./statistics.ts";

export interface Case {
  readonly name: string;
  /** One call. */
  readonly call: (i: number) => Promise<unknown>;
  /** So many calls start together; operations that wait for `gate` end after the last has started. @default 1: one after another */
  readonly inFlight?: number;
  /** Whether each call rejects. Any other ending than the expected one is an error. @default false */
  readonly rejects?: boolean;
  /** Before each sample, not timed. */
  readonly before?: () => void;
}

export interface Plan {
  readonly rounds: number;
  /** About how long each case runs in a round. */
  readonly sampleMs: number;
  /** How long each case runs before the first round. */
  readonly warmUpMs: number;
}

export interface Figures {
  readonly name: string;
  readonly medianNs: number;
  readonly minNs: number;
  /** Time against the first case: the median of the ratios within a round. */
  readonly ratio: number;
  readonly bytes: number;
  /** Time per call in each round. */
  readonly rounds: readonly number[];
}

/** What the operations of calls in flight wait for. */
export const gate = {
  promise: Promise.resolve(),
  open: (): void => {},
  close(): void {
    gate.promise = new Promise((resolve) => {
      gate.open = resolve;
    });
  },
};

/** Makes so many calls; resolves with how many of them rejected. */
type Loop = (count: number) => Promise<number>;

const oneByOne = `
  let rejected = 0;
  for (let i = 0; i < count; i++) await call(i);
  return rejected;`;

const oneByOneRejecting = `
  let rejected = 0;
  for (let i = 0; i < count; i++) try { await call(i); } catch { rejected++; }
  return rejected;`;

const together = (width: number) => `
  let rejected = 0, left = 0, finish;
  const end = () => { if (--left === 0) finish(); };
  const endRejected = () => { rejected++; end(); };
  for (let made = 0; made < count; made += ${width}) {
    gate.close();
    left = ${width};
    const finished = new Promise((resolve) => { finish = resolve; });
    for (let i = 0; i < ${width}; i++) call(i).then(end, endRejected);
    gate.open();
    await finished;
  }
  return rejected;`;

let loops = 0;

function compileLoop({ call, inFlight, rejects }: Case): Loop {
  const body = inFlight ? together(inFlight) : rejects ? oneByOneRejecting : oneByOne;
  const source = `return async function loop${++loops}(count) {${body}\n}`;
  return (new Function("call", "gate", source) as (call: Case["call"], opens: typeof gate) => Loop)(call, gate);
}

class Subject {
  readonly spec: Case;
  readonly times: number[] = [];
  readonly bytes: number[] = [];
  readonly #loop: Loop;
  readonly #step: number;
  #count: number;

  constructor(spec: Case) {
    this.spec = spec;
    this.#loop = compileLoop(spec);
    this.#step = spec.inFlight ?? 1;
    this.#count = this.#step;
  }

  /** Runs until the optimiser has had its say, and settles on how many calls make one sample. */
  async warmUp({ warmUpMs, sampleMs }: Plan): Promise<void> {
    const endMs = performance.now() + warmUpMs;
    let nsPerCall: number;
    do {
      nsPerCall = (await this.#run()).ns;
      const wanted = (sampleMs * 1e6) / nsPerCall;
      this.#count = Math.ceil(Math.min(wanted, this.#count * 4) / this.#step) * this.#step;
    } while (performance.now() < endMs);
  }

  async sample(): Promise<void> {
    const { ns, bytes } = await this.#run();
    this.times.push(ns);
    this.bytes.push(bytes);
  }

  async #run(): Promise<{ ns: number; bytes: number }> {
    this.spec.before?.();
    // Timers and finalizers of the case before.
    await setImmediate();
    const allocated = allocatedBytes();
    const startMs = performance.now();
    const rejected = await this.#loop(this.#count);
    const ns = ((performance.now() - startMs) * 1e6) / this.#count;
    const bytes = (allocatedBytes() - allocated) / this.#count;
    if (rejected !== (this.spec.rejects ? this.#count : 0)) {
      throw new Error(`${this.spec.name}: ${rejected} of ${this.#count} calls rejected`);
    }
    return { ns, bytes };
  }
}

/** What was ever allocated on this heap: a counter, which no collection sets back. */
function allocatedBytes(): number {
  return (getHeapStatistics() as unknown as { total_allocated_bytes: number }).total_allocated_bytes;
}

/** Runs the cases against each other. The first one is the baseline of the ratios. */
export async function compare(cases: readonly Case[], plan: Plan): Promise<Figures[]> {
  const subjects = cases.map((spec) => new Subject(spec));
  for (const subject of subjects) await subject.warmUp(plan);
  for (let round = 0; round < plan.rounds; round++) {
    for (const subject of inOrderOf(round, subjects)) await subject.sample();
  }
  const baseline = subjects[0]?.times ?? [];
  return subjects.map(({ spec, times, bytes }) => ({
    name: spec.name,
    medianNs: median(times),
    minNs: Math.min(...times),
    ratio: medianRatio(times, baseline),
    bytes: median(bytes),
    rounds: times,
  }));
}

/** Another case first in each round, and every other round backwards: no case always runs after the same one. */
function inOrderOf<T>(round: number, items: readonly T[]): T[] {
  const start = (round * 3) % items.length;
  const rotated = [...items.slice(start), ...items.slice(0, start)];
  return round % 2 === 0 ? rotated : rotated.reverse();
}
