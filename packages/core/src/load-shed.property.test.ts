import { loadShed, pipeline, toPriority } from "@headgate/core";
import { SeededRandom, TestClock } from "@headgate/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { propertyRuns, propertyTimeoutMs } from "../test/support/property-runs.ts";
import { priorityClasses } from "./priority.ts";

const step = fc.record({
  /** Calls in this step, by class; all at the same moment. */
  mix: fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 5, maxLength: 5 }),
  overload: fc.double({ min: -1, max: 1, noNaN: true }),
  afterMs: fc.constantFrom(1, 20, 100, 250, 5000),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
const steps = fc.array(step, { maxLength: 40, size: "max" });

function shedder(maxTenants: number, seed: number) {
  const clock = new TestClock();
  const signal = {
    name: "s",
    overload: -1,
    read(): number {
      return this.overload;
    },
  };
  const shed = loadShed({ signals: [signal], clock, random: new SeededRandom(seed), maxTenants });
  return { clock, signal, shed, guarded: pipeline({ name: "calls", clock }, shed) };
}

/** The classes of the calls of one moment that were let in, and of those that were refused, as numbers. */
async function moment(guarded: ReturnType<typeof shedder>["guarded"], mix: readonly number[], key: string) {
  const admitted: number[] = [];
  const refused: number[] = [];
  for (const [at, count] of mix.entries()) {
    for (let i = 0; i < count; i++) {
      const priority = toPriority(priorityClasses[at] ?? "normal");
      const { ok } = await guarded.attempt(() => "done", { priority, key });
      (ok ? admitted : refused).push(at);
    }
  }
  return { admitted, refused };
}

describe("loadShed", () => {
  it("refuses none while it lets in another of a lower class at that moment, once it knows the mix", {
    timeout: propertyTimeoutMs,
  }, async () => {
    const play = async (seed: number, sequence: readonly Step[]) => {
      const { clock, signal, guarded } = shedder(10, seed);
      for (const { mix, overload, afterMs } of sequence) {
        clock.jump(afterMs);
        // The mix of this moment, often enough to be what is remembered; and then the threshold stands.
        signal.overload = overload;
        for (let i = 0; i < 5; i++) await moment(guarded, mix, "");
        const { admitted, refused } = await moment(guarded, mix, "");
        // The threshold is found anew as calls come, and may move by a class where it stood at its edge.
        if (admitted.length > 0 && refused.length > 0)
          expect(Math.max(...refused) - Math.min(...admitted)).toBeLessThanOrEqual(1);
      }
    };
    await fc.assert(fc.asyncProperty(fc.integer(), steps, play), propertyRuns(0.02));
  });

  it("refuses nobody while no signal has told of overload", { timeout: propertyTimeoutMs }, async () => {
    const play = async (seed: number, sequence: readonly Step[]) => {
      const { clock, signal, shed, guarded } = shedder(10, seed);
      for (const { mix, overload, afterMs } of sequence) {
        clock.jump(afterMs);
        signal.overload = Math.min(0, overload);
        const { refused } = await moment(guarded, mix, "somebody");
        expect(refused).toEqual([]);
      }
      expect(shed).toMatchObject({ ratio: 0, rejected: 0 });
    };
    await fc.assert(fc.asyncProperty(fc.integer(), steps, play), propertyRuns(0.05));
  });

  it("is over every overload within 20 seconds, remembers no more tenants than it may, and counts every call", {
    timeout: propertyTimeoutMs,
  }, async () => {
    const play = async (seed: number, maxTenants: number, sequence: readonly Step[]) => {
      const { clock, signal, shed, guarded } = shedder(maxTenants, seed);
      let calls = 0;
      for (const [at, { mix, overload, afterMs }] of sequence.entries()) {
        clock.jump(afterMs);
        signal.overload = overload;
        const { admitted, refused } = await moment(guarded, mix, `tenant ${(at * 7) % 13}`);
        calls += admitted.length + refused.length;
        expect(shed.tenants).toBeLessThanOrEqual(maxTenants);
        expect(shed.ratio).toBeLessThanOrEqual(0.95);
      }
      expect(shed.admitted + shed.rejected).toBe(calls);
      expect(shed.rejections.reduce((sum, { rejected }) => sum + rejected, 0)).toBe(shed.rejected);
      signal.overload = 0;
      clock.jump(20_000);
      expect(shed.ratio).toBe(0);
      expect(clock.pending).toBe(0);
    };
    await fc.assert(fc.asyncProperty(fc.integer(), fc.integer({ min: 1, max: 12 }), steps, play), propertyRuns(0.05));
  });
});
