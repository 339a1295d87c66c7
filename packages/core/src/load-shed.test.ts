import {
  explain,
  isRefusal,
  latencySignal,
  type LoadShed,
  loadShed,
  LoadShedError,
  type LoadShedOptions,
  pipeline,
  type PriorityClass,
  retry,
  concurrencyLimit,
  toPriority,
} from "@headgate/core";
import { EventRecorder, SeededRandom, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { itRefuses } from "../test/support/options.ts";
import { rejectionOf } from "../test/support/operations.ts";

/** A signal that says what the test tells it. */
function manualSignal(name = "manual") {
  return {
    name,
    overload: -1,
    reads: 0,
    read(_nowMs: number): number {
      this.reads++;
      return this.overload;
    },
  };
}

/** The classes of which some were refused, and by which signal. */
const refusedClasses = ({ rejections }: LoadShed) =>
  rejections.flatMap(({ priorityClass, signal, rejected }) => (rejected > 0 ? [`${priorityClass} by ${signal}`] : []));

function setUp(options: Partial<LoadShedOptions> = {}) {
  const clock = new TestClock();
  const events = new EventRecorder();
  const signal = manualSignal();
  const shed = loadShed({ name: "api", signals: [signal], clock, random: new SeededRandom(7), ...options });
  const guarded = pipeline({ name: "calls", clock, observer: events.observer }, shed);
  /** The share of `count` calls that is refused, ten in each interval. */
  const refusedOf = async (count: number, more: { priority?: number; key?: string; weight?: number } = {}) => {
    let refused = 0;
    for (let i = 0; i < count; i++) {
      clock.jump(10);
      if (!(await guarded.attempt(() => "done", more)).ok) refused++;
    }
    return refused / count;
  };
  return { clock, events, signal, shed, guarded, refusedOf };
}

describe("loadShed", () => {
  it("lets everybody in while all is well", async () => {
    const { shed, refusedOf } = setUp();
    expect(await refusedOf(1000)).toBe(0);
    expect(shed).toMatchObject({ admitted: 1000, rejected: 0, ratio: 0, busy: false });
  });

  it("refuses more and more while there is overload, up to the largest share, and less and less after it", async () => {
    const { signal, shed, refusedOf } = setUp();
    signal.overload = 0.5;
    const early = await refusedOf(100);
    const later = await refusedOf(200);
    expect(early).toBeGreaterThan(0);
    expect(later).toBeGreaterThan(early);
    signal.overload = 1;
    await refusedOf(500);
    expect(shed.ratio).toBe(0.95);
    expect(shed.busy).toBe(true);
    expect(await refusedOf(1000)).toBeCloseTo(0.95, 1);
    signal.overload = -0.5;
    expect(await refusedOf(300)).toBeLessThan(0.9);
    await refusedOf(600);
    expect(await refusedOf(100)).toBe(0);
    expect(shed.busy).toBe(false);
  });

  it("says why, and when to come back", async () => {
    const { signal, shed, guarded, refusedOf } = setUp();
    signal.overload = 1;
    await refusedOf(1000);
    const call = { priority: toPriority("sheddable") };
    const errors: LoadShedError[] = [];
    while (errors.length < 50) {
      const result = await guarded.attempt(() => "done", call);
      if (!result.ok) errors.push(result.error as LoadShedError);
    }
    const [error] = errors as [LoadShedError];
    expect(error).toBeInstanceOf(LoadShedError);
    expect(isRefusal(error)).toBe(true);
    expect(error).toMatchObject({
      code: "ERR_LOAD_SHED",
      name: "LoadShedError",
      policy: "load-shed",
      pipeline: "calls",
      loadShed: "api",
      signal: "manual",
      ratio: 0.95,
      priorityClass: "sheddable",
      message:
        'The load shedder "api" turns 95 % of the calls away (manual), among them this one of the class sheddable',
    });
    expect(explain(error)).toMatchObject({ decidedBy: "load-shed", outcome: "ignored", attempts: 0 });
    const waits = errors.map(({ retryAfterMs }) => retryAfterMs);
    expect(waits.every((ms) => Number.isInteger(ms) && ms >= 500 && ms <= 3000)).toBe(true);
    expect(new Set(waits).size).toBeGreaterThan(40);
    expect(shed.describe?.()).toBe("up to 95 % by manual");
  });

  it("tells an observer when it starts, whom it refuses, and when it stops", async () => {
    const { signal, events, refusedOf } = setUp();
    signal.overload = 1;
    await refusedOf(100);
    signal.overload = -1;
    await refusedOf(2000);
    const told = events.types.filter((type) => type !== "pipeline.settled" && type !== "load-shed.rejected");
    expect(told).toEqual(["load-shed.started", "load-shed.stopped"]);
    expect(events.of("load-shed.started")[0]).toMatchObject({ pipeline: "calls", name: "api", signal: "manual" });
    expect(events.of("load-shed.rejected")[0]).toMatchObject({
      pipeline: "calls",
      name: "api",
      signal: "manual",
      priorityClass: "normal",
    });
  });

  it("sheds the lowest class first, whatever the level", async () => {
    const { clock, signal, shed, guarded } = setUp();
    const counts = { "critical-plus": 0, critical: 0, normal: 0, "sheddable-plus": 0, sheddable: 0 };
    const classes = Object.keys(counts) as PriorityClass[];
    signal.overload = 0.2;
    for (let i = 0; shed.ratio < 0.5; i++) {
      clock.jump(10);
      await guarded.attempt(() => "done", { priority: toPriority(classes[i % 5] ?? "normal") });
    }
    signal.overload = 0;
    for (let i = 0; i < 500; i++) {
      const priorityClass = classes[i % 5] ?? "normal";
      // Time stands still: the share stays.
      const { ok } = await guarded.attempt(() => "done", { priority: toPriority(priorityClass) });
      if (ok) counts[priorityClass]++;
    }
    expect(counts).toMatchObject({ "critical-plus": 100, critical: 100, "sheddable-plus": 0, sheddable: 0 });
    expect(counts.normal).toBeGreaterThan(20);
    expect(counts.normal).toBeLessThan(70);
    expect(refusedClasses(shed)).toEqual(["sheddable by manual", "sheddable-plus by manual", "normal by manual"]);
  });

  it("lets a level in or sheds it as a whole", async () => {
    const { signal, guarded, clock, shed } = setUp();
    signal.overload = 0.3;
    const atLevel = (level: number) => guarded.attempt(() => "done", { priority: toPriority("normal", level) });
    for (let i = 0; shed.ratio < 0.5; i++) {
      clock.jump(10);
      await atLevel(1 + (i % 127));
    }
    const admitted = new Map<number, number>();
    for (let i = 0; i < 1270; i++) {
      const level = 1 + (i % 127);
      if ((await atLevel(level)).ok) admitted.set(level, (admitted.get(level) ?? 0) + 1);
    }
    const whole = [...admitted.values()].filter((count) => count === 10).length;
    expect(whole).toBeGreaterThan(50);
    // Levels that are neither: those at the threshold, which lie close together.
    expect(admitted.size - whole).toBeLessThan(20);
    expect(admitted.get(127)).toBe(10);
    expect(admitted.has(1)).toBe(false);
  });

  it("shares fairly among tenants: who asks for little is served, the others as much as each other", async () => {
    const { clock, signal, guarded, shed } = setUp({ tenant: ({ options }) => options.key ?? "nobody" });
    const admitted = { small: 0, middle: 0, large: 0 };
    const pattern = ["small", "middle", "middle", "middle", "middle", ...Array(10).fill("large")] as const;
    const round = async () => {
      for (const key of pattern) {
        clock.jump(1);
        const { ok } = await guarded.attempt(() => "done", { key });
        if (ok) admitted[key as keyof typeof admitted]++;
      }
    };
    for (let i = 0; i < 500; i++) await round();
    signal.overload = 0.2;
    while (shed.ratio < 0.6) await round();
    signal.overload = 0;
    Object.assign(admitted, { small: 0, middle: 0, large: 0 });
    for (let i = 0; i < 20; i++) await round();
    // What is let in of 15 is 6: one of the small tenant, and half of the rest for each of the others.
    expect(admitted.small).toBe(20);
    expect(admitted.middle / 20).toBeCloseTo(2.5, 0);
    expect(admitted.large / admitted.middle).toBeGreaterThan(0.75);
    expect(admitted.large / admitted.middle).toBeLessThan(1.35);
  });

  it("remembers so many tenants and no more", async () => {
    const { guarded, shed } = setUp({ maxTenants: 3 });
    for (const key of ["a", "b", "a", "c", "d", "e"]) await guarded.execute(() => "done", { key });
    expect(shed.tenants).toBe(3);
  });

  it("keeps no account while nobody says who calls", async () => {
    const { guarded, shed } = setUp();
    await guarded.execute(() => "done");
    expect(shed.tenants).toBe(0);
  });

  it("counts a call's weight", async () => {
    const { clock, signal, guarded, shed } = setUp();
    signal.overload = 0.2;
    for (let i = 0; shed.ratio < 0.3; i++) {
      clock.jump(10);
      const heavy = i % 10 === 0;
      const priority = toPriority(heavy ? "sheddable" : "normal");
      await guarded.attempt(() => "done", { priority, weight: heavy ? 9 : 1 });
    }
    // One call in ten, but half of the weight: it bears all that is to be shed.
    expect(refusedClasses(shed)).toEqual(["sheddable by manual"]);
  });

  it.each([0, -3, Number.NaN, Number.POSITIVE_INFINITY])("takes a weight of %d for one", async (weight) => {
    const { signal, refusedOf, shed } = setUp();
    signal.overload = 1;
    await refusedOf(500, { weight, key: "somebody" });
    expect(shed.ratio).toBe(0.95);
    expect(await refusedOf(200, { key: "another" })).toBeLessThan(1);
  });

  it("goes by the worst of its signals", async () => {
    const [calm, busy] = [manualSignal("calm"), manualSignal("busy")];
    busy.overload = 1;
    const { shed, refusedOf } = setUp({ signals: [calm, busy] });
    await refusedOf(300);
    expect(shed.pressures).toEqual([
      { signal: "calm", ratio: 0 },
      { signal: "busy", ratio: 1 },
    ]);
    expect(refusedClasses(shed)).toEqual(["normal by busy"]);
    expect(shed.rejections).toHaveLength(10);
    expect(shed.rejections).toContainEqual({ priorityClass: "normal", signal: "busy", rejected: shed.rejected });
  });

  it("takes what is no number for nothing", async () => {
    const { signal, refusedOf } = setUp();
    signal.overload = Number.NaN;
    expect(await refusedOf(300)).toBe(0);
    signal.overload = Number.POSITIVE_INFINITY;
    expect(await refusedOf(300)).toBeGreaterThan(0);
  });

  it("fails no call because a signal fails", async () => {
    const broken = {
      name: "broken",
      read: () => {
        throw new Error("no such sensor");
      },
      ended: () => {
        throw new Error("no such sensor");
      },
    };
    const busy = manualSignal("busy");
    const { refusedOf, shed } = setUp({ signals: [broken, busy] });
    expect(await refusedOf(100)).toBe(0);
    expect(shed.pressures[0]).toEqual({ signal: "broken", ratio: 0 });
    busy.overload = 1;
    expect(await refusedOf(300)).toBeGreaterThan(0);
  });

  it("reads its signals once in an interval, and never while nobody calls", async () => {
    const { signal, clock, guarded } = setUp({ intervalMs: 50 });
    for (let i = 0; i < 100; i++) {
      clock.jump(5);
      await guarded.execute(() => "done");
    }
    expect(signal.reads).toBe(10);
    await clock.advance(10_000);
    expect([signal.reads, clock.pending]).toEqual([10, 0]);
  });

  it("goes on with a clock that was set back", async () => {
    const { signal, clock, refusedOf, shed } = setUp();
    signal.overload = 1;
    await refusedOf(500);
    clock.jump(-1_000_000);
    signal.overload = -1;
    await refusedOf(1000);
    expect(shed.ratio).toBe(0);
  });

  it("tells a signal how long calls took, and of none that it refused", async () => {
    const clock = new TestClock();
    const ended: [number, number, string][] = [];
    const signal = {
      ...manualSignal(),
      ended: (nowMs: number, durationMs: number, outcome: string) => ended.push([nowMs, durationMs, outcome]),
    };
    const shed = loadShed({ signals: [manualSignal("other"), signal], clock });
    const guarded = pipeline({ name: "calls", clock }, shed);
    const slow = guarded.execute(() => clock.sleep(30));
    await clock.advance(30);
    await slow;
    await rejectionOf(guarded.execute(() => Promise.reject(new Error("down"))));
    const caller = new AbortController();
    const left = rejectionOf(guarded.execute(() => clock.sleep(1000), { signal: caller.signal }));
    await clock.advance(5);
    caller.abort();
    await left;
    expect(ended).toEqual([
      [30, 30, "success"],
      [30, 0, "failure"],
      [35, 5, "ignored"],
    ]);
    signal.overload = 1;
    while (shed.rejected === 0) {
      clock.jump(100);
      await guarded.attempt(() => "done");
    }
    expect(ended.length).toBe(3 + shed.admitted - 3);
  });

  it("holds latency with nothing else to go by", async () => {
    const clock = new TestClock();
    const shed = loadShed({ signals: [latencySignal({ targetMs: 10 })], clock, random: new SeededRandom(1) });
    const guarded = pipeline({ name: "calls", clock }, shed);
    const calls = async (durationMs: number) => {
      for (let i = 0; i < 200; i++) {
        const call = guarded.attempt(() => clock.sleep(durationMs));
        await clock.advance(durationMs);
        await call;
      }
    };
    await calls(10);
    expect(shed.rejected).toBe(0);
    await calls(40);
    expect(shed.rejected).toBeGreaterThan(50);
  });

  it("refuses a priority that is no number, as a queue does", async () => {
    const { guarded } = setUp();
    const result = await guarded.attempt(() => "done", { priority: Number.NaN });
    expect(result).toMatchObject({ ok: false, error: { place: "execute.priority", got: "NaN" } });
  });

  it("must stand outside what waits or repeats", () => {
    const shed = loadShed({ signals: [manualSignal()] });
    const fix = "put load-shed outside";
    expect(() => pipeline("wrong", retry(), shed)).toThrow(fix);
    expect(() => pipeline("wrong", concurrencyLimit({ maxConcurrent: 1 }), shed)).toThrow(fix);
    expect(() => pipeline("wrong", { kind: "hedge", enter: () => "pass" }, shed)).toThrow(fix);
    expect(() => pipeline("right", shed, retry(), concurrencyLimit({ maxConcurrent: 1 }))).not.toThrow();
  });

  const signals = [manualSignal()];
  itRefuses(
    [() => loadShed({} as never), "`loadShed.signals` must be an array of at least one signal, got undefined"],
    [() => loadShed({ signals: [] }), "`loadShed.signals` must be an array of at least one signal, got an array"],
    [
      () => loadShed({ signals: [{ name: "a" } as never] }),
      "`loadShed.signals[0]` must be an object with a function `read`, got an object",
    ],
    [
      () => loadShed({ signals: [{ name: "", read: () => 0 }] }),
      '`loadShed.signals[0].name` must be a string that is not empty, got ""',
    ],
    [
      () => loadShed({ signals: [manualSignal(), manualSignal()] }),
      '`loadShed.signals[1].name` must be used by one signal only, got "manual"',
    ],
    [() => loadShed({ signals, name: "" }), '`loadShed.name` must be a string that is not empty, got ""'],
    [() => loadShed({ signals, tenant: "a" as never }), '`loadShed.tenant` must be a function, got "a"'],
    [() => loadShed({ signals, maxTenants: 0 }), "`loadShed.maxTenants` must be an integer of at least 1, got 0"],
    [
      () => loadShed({ signals, maxShedRatio: 0 }),
      "`loadShed.maxShedRatio` must be a number above 0 and at most 1, got 0",
    ],
    [
      () => loadShed({ signals, intervalMs: 0 }),
      "`loadShed.intervalMs` must be a number above 0 and at most 2147483647, got 0",
    ],
    [
      () => loadShed({ signals, minRetryAfterMs: 0.5 }),
      "`loadShed.minRetryAfterMs` must be an integer of at least 0, got 0.5",
    ],
    [
      () => loadShed({ signals, minRetryAfterMs: 5000 }),
      "`loadShed.maxRetryAfterMs` must be an integer of at least 5000, got 3000",
    ],
  );
});
