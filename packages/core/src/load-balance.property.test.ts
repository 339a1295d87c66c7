import { consecutiveFailures, loadBalance, pipeline } from "@headgate/core";
import { SeededRandom, TestClock } from "@headgate/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { busy } from "../test/support/balanced.ts";
import { manualOperation, type Run } from "../test/support/operations.ts";
import { propertyRuns, propertyTimeoutMs } from "../test/support/property-runs.ts";

const settings = fc.record({
  count: fc.integer({ min: 1, max: 6 }),
  maxEjectedRatio: fc.constantFrom(0, 0.1, 0.5, 0.7, 1),
  maxFailures: fc.integer({ min: 1, max: 3 }),
  ejectMs: fc.constantFrom(1, 50, 1000),
  leaseMs: fc.constantFrom(undefined, 300),
  seed: fc.integer(),
});
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("start"), leaves: fc.boolean() }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom("success", "failure", "busy", "ignored", "leave"),
      index: fc.nat(5),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("update"), from: fc.nat(3), to: fc.integer({ min: 4, max: 6 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("pass"), ms: fc.constantFrom(0, 1, 30, 200, 5000, -40) }) },
);
type Step = { kind: string; index?: number; ms?: number; from?: number; to?: number };

interface Open {
  readonly endpoint: string;
  readonly run: Run<string>;
  readonly controller: AbortController;
  readonly done: Promise<unknown>;
  /** Whether its endpoint has been taken from the list since. */
  gone: boolean;
}

const all = ["a", "b", "c", "d", "e", "f"];
const down = new Error("down");
const said = new Error("ignored");

describe("loadBalance", () => {
  it("stays within its endpoints, counts what is under way, and keeps enough of them", {
    timeout: propertyTimeoutMs,
  }, async () => {
    const steps = fc.array<Step>(step, { maxLength: 60, size: "max" });
    await fc.assert(
      fc.asyncProperty(settings, steps, async ({ count, maxFailures, seed, ...options }, played) => {
        const clock = new TestClock(1000);
        let endpoints = all.slice(0, count);
        const trip = () => consecutiveFailures({ maxFailures });
        const random = new SeededRandom(seed);
        const balance = loadBalance({ ...options, endpoints, trip, clock, random });
        const judgement = {
          isOverload: (result: unknown) => result === busy,
          isIgnored: (result: unknown) => result === said,
        };
        const calls = pipeline({ name: "model", clock, ...judgement }, balance);
        const { operation, runs } = manualOperation();
        const open: Open[] = [];
        const most = () => Math.min(Math.floor(endpoints.length * options.maxEjectedRatio), endpoints.length - 1);
        const update = (from: number, to: number) => {
          endpoints = all.slice(from, to);
          balance.update(endpoints);
          for (const each of open) each.gone ||= !endpoints.includes(each.endpoint);
        };
        const start = () => {
          const unusable = balance.snapshot().filter(({ state }) => state === "ejected");
          const controller = new AbortController();
          let endpoint = "";
          const done = calls.attempt(
            (context) => {
              endpoint = balance.of(context);
              return operation(context);
            },
            { signal: controller.signal },
          );
          expect(endpoints).toContain(endpoint);
          expect(unusable.map(({ name }) => name)).not.toContain(endpoint);
          open.push({ endpoint, run: runs.at(-1)!, controller, done, gone: false });
        };
        const end = async (kind: string, { run, done }: Open) => {
          if (kind === "success") run.resolve(kind);
          else run.reject(kind === "busy" ? busy : kind === "ignored" ? said : down);
          await done;
          await Promise.resolve();
        };
        for (const { kind, index = 0, ms = 0, from, to } of played) {
          if (kind === "start") start();
          else if (kind === "pass") clock.jump(ms);
          else if (kind === "update") update(from as number, to as number);
          // Who has left is abandoned work: it counts until it has ended.
          else if (kind === "leave") open[index]?.controller.abort(down);
          else for (const ended of open.splice(index, 1)) await end(kind, ended);
          const now = balance.snapshot();
          expect(now.filter(({ state }) => state !== "healthy").length).toBe(balance.ejected);
          expect(balance.ejected).toBeLessThanOrEqual(most());
          for (const { name, inFlight, latencyMs = 0 } of now) {
            const under = open.filter(({ endpoint, gone }) => endpoint === name && !gone);
            expect(inFlight).toBeLessThanOrEqual(under.length);
            if (options.leaseMs === undefined) expect(inFlight).toBe(under.length);
            expect(latencyMs).toBeGreaterThanOrEqual(0);
          }
        }
        for (const rest of open) await end("success", rest);
        expect(balance.snapshot().map(({ inFlight }) => inFlight)).toEqual(endpoints.map(() => 0));
        if (played.every(({ kind }) => kind !== "update"))
          expect(balance.snapshot().reduce((sum, { picked }) => sum + picked, 0)).toBe(runs.length);
      }),
      propertyRuns(0.05),
    );
  });
});
