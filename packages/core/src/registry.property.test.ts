import { pipeline, RegistryFullError, registry } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Run, manualOperation, watch } from "../test/support/operations.ts";
import { propertyRuns, propertyTimeoutMs } from "../test/support/property-runs.ts";

const idleMs = 30;
const maxUseMs = 50;

/** What a registry should remember, as plainly as can be: a list, the least recently asked for first. */
class Model {
  entries: { key: string; askedMs: number; calls: number; generation: number }[] = [];
  #generations = 0;
  readonly #maxEntries: number;

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  /** The generation of the pipeline that is given; null when there is no room. */
  get(key: string, nowMs: number): number | null {
    this.dropIdle(nowMs);
    let entry = this.entries.find((other) => other.key === key);
    if (entry === undefined) {
      if (this.entries.length >= this.#maxEntries) {
        const free = this.entries.find(({ calls, askedMs }) => calls === 0 || nowMs - askedMs >= maxUseMs);
        if (free === undefined) return null;
        this.entries = this.entries.filter((other) => other !== free);
      }
      entry = { key, askedMs: nowMs, calls: 0, generation: ++this.#generations };
    }
    entry.askedMs = nowMs;
    this.entries = [...this.entries.filter((other) => other !== entry), entry];
    return entry.generation;
  }

  dropIdle(nowMs: number): void {
    this.entries = this.entries.filter(
      ({ askedMs, calls }) => nowMs - askedMs < idleMs || (calls > 0 && nowMs - askedMs < maxUseMs),
    );
  }

  count(generation: number, change: number): void {
    const entry = this.entries.find((other) => other.generation === generation);
    if (entry !== undefined) entry.calls += change;
  }
}

const key = fc.constantFrom("a", "b", "c", "d", "e");
const command = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("get" as const), key }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("start" as const), key }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("settle" as const), index: fc.nat(10) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("delete" as const), key }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.nat(40) }) },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

async function play(maxEntries: number, commands: readonly Command[]): Promise<void> {
  const clock = new TestClock();
  let generations = 0;
  const create = () => pipeline({ name: `${++generations}`, clock });
  const pipelines = registry({ create, maxEntries, idleMs, maxUseMs, clock });
  const model = new Model(maxEntries);
  const started: { run: Run<string>; generation: number; open: boolean }[] = [];

  const get = (of: string) => {
    const expected = model.get(of, clock.now());
    if (expected === null) {
      expect(() => pipelines.get(of)).toThrow(RegistryFullError);
      return undefined;
    }
    const given = pipelines.get(of);
    expect(given.name).toBe(`${expected}`);
    return given;
  };

  for (const each of commands) {
    if (each.kind === "get") get(each.key);
    else if (each.kind === "start") {
      const given = get(each.key);
      if (given === undefined) continue;
      const { operation, run } = manualOperation();
      watch(given.execute(operation));
      started.push({ run: run(0), generation: Number(given.name), open: true });
      model.count(Number(given.name), 1);
    } else if (each.kind === "settle") {
      const call = started[each.index];
      if (call === undefined || !call.open) continue;
      call.open = false;
      call.run.resolve("done");
      await clock.settle();
      model.count(call.generation, -1);
    } else if (each.kind === "delete") {
      const known = model.entries.some((entry) => entry.key === each.key);
      model.entries = model.entries.filter((entry) => entry.key !== each.key);
      expect(pipelines.delete(each.key)).toBe(known);
    } else clock.jump(each.ms);
    model.dropIdle(clock.now());
    const remembered = [...pipelines.entries()].map(([of, { name }]) => `${of} ${name}`);
    expect(remembered).toEqual(model.entries.map((entry) => `${entry.key} ${entry.generation}`));
    expect(pipelines.size).toBeLessThanOrEqual(maxEntries);
  }
}

describe("registry", () => {
  it("remembers what a plain list does", { timeout: propertyTimeoutMs }, async () => {
    const commands = fc.array(command, { maxLength: 40, size: "max" });
    await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 3 }), commands, play), propertyRuns(0.1));
  });
});
