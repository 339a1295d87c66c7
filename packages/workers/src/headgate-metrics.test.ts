import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { FakeState } from "../test/support/fakes.ts";
import { active, calls, latency, totalsOf } from "../test/support/metrics.ts";
import { itRefuses } from "../test/support/options.ts";
import { HeadgateMetrics, type HeadgateMetricsOptions, type MetricsReport } from "./headgate-metrics.ts";
import { type MetricLike, readMetrics, writeMetricMessage } from "./metric-message.ts";

class TestMetrics extends HeadgateMetrics {
  readonly reports: MetricsReport[] = [];
  answer: () => unknown = () => undefined;

  protected override push(report: MetricsReport): unknown {
    this.reports.push(report);
    return this.answer();
  }
}

function object(state = new FakeState(), clock = new TestClock(1_000_000)) {
  const errors: unknown[] = [];
  const metrics = new TestMetrics(state, undefined, { clock, timer: clock, onError: (error) => errors.push(error) });
  const tell = async (isolate: string, sequence: number, ...told: MetricLike[]): Promise<number> => {
    await state.ready;
    const body = writeMetricMessage({ isolate, sequence, metrics: told });
    return (await metrics.fetch(new Request("https://object.invalid/", { method: "POST", body }))).status;
  };
  const all = async () => {
    await state.ready;
    return readMetrics(await (await metrics.fetch(new Request("https://object.invalid/"))).text());
  };
  /** The platform's: runs the alarm when its time has come. */
  const alarm = async (): Promise<void> => {
    const dueMs = state.storage.alarmMs;
    if (dueMs === null || dueMs > clock.now()) return;
    state.storage.alarmMs = null;
    const ended = metrics.alarm();
    await clock.advance(10_000);
    await ended;
  };
  return { state, clock, metrics, errors, tell, all, alarm };
}

const some = (ok: number, failed = 0): [MetricLike, MetricLike] => {
  const counted = { ok, failed, active: 0, more: [] };
  return [calls(counted), latency(counted)];
};

describe("HeadgateMetrics", () => {
  it("adds each message once, whichever come again", async () => {
    const { tell, all } = object();
    await tell("a", 1, ...some(3));
    await tell("b", 1, ...some(1, 2));
    await tell("a", 1, ...some(3));
    await tell("a", 2, ...some(4));
    await tell("a", 1, ...some(3));
    expect(totalsOf(await all())).toMatchObject({ ok: 8, failed: 2, latency: [10, 8, 2] });
  });

  it("pushes totals and start time every 30 s while isolates report, and stops 5 minutes later", async () => {
    const { state, clock, metrics, tell, alarm } = object();
    await tell("a", 1, ...some(3), active({ value: 2 }));
    expect(state.storage.alarmMs).toBe(1_030_000);
    await clock.advance(30_000);
    await alarm();
    await tell("a", 2, ...some(1));
    for (let i = 0; i < 20; i++) {
      await clock.advance(30_000);
      await alarm();
    }
    expect(state.storage.alarmMs).toBeNull();
    expect(metrics.reports.length).toBeGreaterThan(5);
    expect(metrics.reports.length).toBeLessThan(15);
    const [first, second] = metrics.reports;
    expect([first?.startTimeMs, first?.timeMs, second?.startTimeMs]).toEqual([1_000_000, 1_030_000, 1_000_000]);
    expect(totalsOf(first?.metrics ?? [])).toMatchObject({ ok: 3, active: 2 });
    expect(totalsOf(metrics.reports.at(-1)?.metrics ?? [])).toMatchObject({ ok: 4, active: undefined });
    await tell("a", 3, ...some(1));
    expect(state.storage.alarmMs).not.toBeNull();
  });

  it("takes messages while a push hangs, ends it in time, and pushes again", async () => {
    const { state, clock, metrics, errors, tell, all } = object();
    metrics.answer = () => new Promise(() => {});
    await tell("a", 1, ...some(1));
    state.storage.alarmMs = null;
    const alarm = metrics.alarm();
    await tell("a", 2, ...some(2));
    expect(totalsOf(await all())).toMatchObject({ ok: 3 });
    expect(metrics.reports[0]?.signal.aborted).toBe(false);
    await clock.advance(10_000);
    await alarm;
    expect(metrics.reports[0]?.signal.aborted).toBe(true);
    expect(errors).toMatchObject([{ code: "ERR_TIMEOUT" }]);
    expect(state.storage.alarmMs).not.toBeNull();
    expect(clock.pending).toBe(0);
  });

  it("goes on trying for a day when pushes fail, then waits for the next message", async () => {
    const { state, clock, metrics, errors, tell, alarm } = object();
    metrics.answer = () => {
      throw new Error("The collector refuses");
    };
    await tell("a", 1, ...some(1));
    await clock.advance(3_600_000);
    await alarm();
    expect(state.storage.alarmMs).not.toBeNull();
    await clock.advance(86_400_000);
    await alarm();
    expect(state.storage.alarmMs).toBeNull();
    expect(errors.length).toBe(2);
  });

  it("goes on after a restart: totals, what is now, what was told already, start time and alarm", async () => {
    const before = object();
    await before.tell("a", 1, ...some(3, 1), active({ value: 2 }));
    await before.clock.advance(1000);
    const after = object(before.state, before.clock);
    await after.tell("a", 1, ...some(3, 1), active({ value: 2 }));
    expect(totalsOf(await after.all())).toEqual({ ok: 3, failed: 1, active: 2, latency: [4, 3, 1] });
    await after.tell("a", 2, ...some(1));
    expect(before.state.storage.alarmMs).toBe(1_030_000);
    await after.clock.advance(29_000);
    await after.alarm();
    expect(after.metrics.reports[0]?.startTimeMs).toBe(1_000_000);
    expect(totalsOf(after.metrics.reports[0]?.metrics ?? [])).toMatchObject({ ok: 4 });
  });

  it("keeps all points over a restart, however many pieces they are stored in", async () => {
    const before = object();
    const points = Array.from({ length: 450 }, (_, i) => ({ attributes: { key: `k${i}` }, value: 1 }));
    const many: MetricLike = { ...some(0)[0], name: "many", points };
    await before.tell("a", 1, many);
    await before.tell("a", 2, { ...many, points: points.slice(200, 201) });
    expect([...before.state.storage.stored.keys()].filter((key) => key.startsWith("total:")).length).toBe(5);
    const after = object(before.state, before.clock);
    await after.tell("b", 1, { ...many, points: points.slice(200, 202) });
    const [found] = await after.all();
    expect(found?.points.length).toBe(450);
    expect(found?.points.reduce((sum, { value = 0 }) => sum + value, 0)).toBe(453);
    expect(found?.points[200]).toEqual({ attributes: { key: "k200" }, value: 3 });
  });

  it("takes the highest of gauges and flags, and the sum of what else is now", async () => {
    const { clock, tell, all } = object();
    const flag = (value: number): MetricLike => ({ ...active({ value }), name: "flag", unit: "1" });
    await tell("a", 1, flag(1), active({ value: 3 }));
    await clock.advance(200_000);
    await tell("b", 1, flag(1), active({ value: 4 }));
    await tell("c", 1, flag(0), active({ value: 0 }));
    const values = async () => Object.fromEntries((await all()).map(({ name, points }) => [name, points[0]?.value]));
    expect(await values()).toEqual({ flag: 1, active: 7 });
    await clock.advance(100_000);
    expect(await values()).toEqual({ flag: 1, active: 4 });
    await clock.advance(200_000);
    expect(await values()).toEqual({});
  });

  it("lets a metric begin anew whose buckets have changed", async () => {
    const { state, tell, all } = object();
    const [, histogram] = some(3);
    await tell("a", 1, histogram);
    const point = { attributes: {}, count: 2, sum: 1, bucketCounts: [2, 0, 0] };
    await tell("b", 1, { ...histogram, boundaries: [1, 2], points: [point] });
    expect((await all())[0]?.points).toEqual([point]);
    expect(totalsOf(await object(state).all())).toMatchObject({ latency: [2, 2, 0, 0] });
  });

  it("forgets the isolate that was not heard of for the longest, and what it has counted stays", async () => {
    const { state, clock, tell, all } = object();
    const [one] = some(1);
    for (let i = 0; i < 5001; i++) {
      await tell(`isolate-${i}`, 1, ...(i === 0 ? [one] : []));
    }
    const kept = () => [...state.storage.stored.keys()].filter((key) => key.startsWith("isolate:"));
    expect(kept().length).toBe(5000);
    expect(kept()).not.toContain("isolate:isolate-0");
    expect(totalsOf(await all())).toMatchObject({ ok: 1 });
    await clock.advance(86_400_000);
    const { metrics } = object(state, clock);
    await state.ready;
    await metrics.alarm();
    expect(kept().length).toBe(0);
  });

  it.each([
    ["no JSON", "{", "JSON"],
    ["another version", '{"version":2}', "A message of version 1 was expected, not 2"],
    ["no metrics", '{"version":1,"isolate":"a","sequence":1}', "A list of at most 200 entries was expected"],
    [
      "a counter that falls",
      writeMetricMessage({
        isolate: "a",
        sequence: 1,
        metrics: [{ ...some(0)[0], points: [{ attributes: {}, value: -1 }] }],
      }),
      "A number of at least 0 was expected, not -1",
    ],
    [
      "a bucket too few",
      writeMetricMessage({
        isolate: "a",
        sequence: 1,
        metrics: [{ ...some(1)[1], boundaries: [1, 2] }],
      }),
      "3 buckets were expected, not 2",
    ],
    ["too much", " ".repeat(2_000_001), "At most 2000000 characters were expected"],
  ])("refuses a message with %s", async (_, body, problem) => {
    const { metrics, state } = object();
    const response = await metrics.fetch(new Request("https://object.invalid/", { method: "POST", body }));
    expect(response.status).toBe(400);
    expect(await response.text()).toContain(problem);
    expect(state.storage.stored.size).toBe(0);
  });

  it("answers other methods with 405", async () => {
    const response = await object().metrics.fetch(new Request("https://object.invalid/", { method: "PUT" }));
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, POST"]);
  });

  const make = (options: HeadgateMetricsOptions) => () => new HeadgateMetrics(new FakeState(), undefined, options);
  itRefuses(
    [make({ intervalMs: 0 }), "`HeadgateMetrics.intervalMs` must be a number above 0 and at most 2147483647, got 0"],
    [
      make({ timeoutMs: Number.NaN }),
      "`HeadgateMetrics.timeoutMs` must be a number above 0 and at most 2147483647, got NaN",
    ],
    [make({ onError: 1 as never }), "`HeadgateMetrics.onError` must be a function, got 1"],
  );
});
