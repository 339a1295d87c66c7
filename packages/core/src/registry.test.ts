import {
  circuitBreaker,
  concurrencyLimit,
  consecutiveFailures,
  type Keep,
  pipeline,
  rateLimit,
  RegistryFullError,
  type RegistryOptions,
  registry,
  timeout,
} from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { manualOperation, rejectionOf, watch } from "../test/support/operations.ts";
import { itRefuses } from "../test/support/options.ts";

/** Pipelines with nothing but a timeout, unless told otherwise, and the keys for which one was made. */
function setUp(options: Partial<RegistryOptions> = {}) {
  const clock = new TestClock();
  const made: string[] = [];
  const create = (key: string) => {
    made.push(key);
    return pipeline({ name: key, clock }, timeout({ clock }));
  };
  const pipelines = registry({ create, clock, ...options });
  return { clock, made, pipelines, keys: () => [...pipelines.entries()].map(([key]) => key) };
}

describe("registry", () => {
  it("makes the pipeline of a key once and gives the same one back", () => {
    const { made, pipelines } = setUp();
    const first = pipelines.get("a");
    expect(first.name).toBe("a");
    expect(pipelines.get("a")).toBe(first);
    expect(pipelines.get("b")).not.toBe(first);
    expect(made).toEqual(["a", "b"]);
    expect(pipelines.size).toBe(2);
  });

  it("makes a new pipeline for a key that was idle for too long when that is asked for again", async () => {
    const { clock, made, pipelines } = setUp({ idleMs: 100 });
    const first = pipelines.get("a");
    await clock.advance(99);
    expect(pipelines.get("a")).toBe(first);
    await clock.advance(100);
    expect(pipelines.get("a")).not.toBe(first);
    expect(made).toEqual(["a", "a"]);
  });

  it("forgets the least recently asked for when there are too many", () => {
    const { keys, made, pipelines } = setUp({ maxEntries: 2 });
    for (const key of ["a", "b", "a", "c"]) pipelines.get(key);
    expect(keys()).toEqual(["a", "c"]);
    pipelines.get("b");
    expect(made).toEqual(["a", "b", "c", "b"]);
  });

  it("does not take looking for asking", () => {
    const { keys, pipelines } = setUp({ maxEntries: 2 });
    pipelines.get("a");
    pipelines.get("b");
    expect([...pipelines.entries()].map(([key, { name }]) => [key, name])).toEqual([
      ["a", "a"],
      ["b", "b"],
    ]);
    pipelines.get("c");
    expect(keys()).toEqual(["b", "c"]);
  });

  it("keeps a pipeline with calls under way, and forgets the next one instead", async () => {
    const { clock, keys, pipelines } = setUp({ maxEntries: 2 });
    const { operation, run } = manualOperation();
    const call = watch(pipelines.get("a").execute(operation));
    pipelines.get("b");
    pipelines.get("c");
    expect(keys()).toEqual(["a", "c"]);
    run(0).resolve("done");
    await clock.settle();
    expect(call.value).toBe("done");
    pipelines.get("d");
    expect(keys()).toEqual(["c", "d"]);
  });

  it("keeps an open circuit", async () => {
    const clock = new TestClock();
    const create = (key: string) =>
      pipeline(
        { name: key, clock },
        circuitBreaker({ trip: consecutiveFailures({ maxFailures: 1 }), openMs: 100, openJitter: 0, clock }),
      );
    const { keys, pipelines } = setUp({ maxEntries: 2, create, clock });
    const fail = () => {
      throw new Error("down");
    };
    await rejectionOf(pipelines.get("bad").execute(fail));
    for (const key of ["a", "b", "c"]) pipelines.get(key);
    expect(keys()).toEqual(["bad", "c"]);
    expect(await rejectionOf(pipelines.get("bad").execute(fail))).toMatchObject({ code: "ERR_CIRCUIT_OPEN" });
  });

  it("keeps a permit of abandoned work, though no call is under way", async () => {
    const clock = new TestClock();
    const create = (key: string) =>
      pipeline({ name: key, clock }, timeout({ timeoutMs: 10, clock }), concurrencyLimit({ maxConcurrent: 1, clock }));
    const { keys, pipelines } = setUp({ maxEntries: 2, create, clock });
    const { operation, run } = manualOperation();
    watch(pipelines.get("a").execute(operation));
    await clock.advance(10);
    expect(pipelines.get("a").inFlight).toBe(0);
    for (const key of ["b", "c"]) pipelines.get(key);
    expect(keys()).toEqual(["a", "c"]);
    run(0).resolve("late");
    await clock.settle();
    for (const key of ["d"]) pipelines.get(key);
    expect(keys()).toEqual(["c", "d"]);
  });

  it("keeps a used up rate limit until it is what a new one would be", async () => {
    const clock = new TestClock();
    const create = (key: string) => pipeline({ name: key, clock }, rateLimit({ limit: 100, burst: 1, clock }));
    const { keys, pipelines } = setUp({ maxEntries: 1, create, clock });
    await pipelines.get("a").execute(() => 1);
    expect(() => pipelines.get("b")).toThrow(RegistryFullError);
    await clock.advance(10);
    pipelines.get("b");
    expect(keys()).toEqual(["b"]);
  });

  it("refuses a new key when all are in use, and still gives those out", () => {
    const { clock, keys, pipelines } = setUp({ maxEntries: 1 });
    watch(pipelines.get("a").execute(manualOperation().operation));
    let error: unknown;
    try {
      pipelines.get("b");
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(RegistryFullError);
    expect(error).toMatchObject({
      code: "ERR_REGISTRY_FULL",
      policy: "registry",
      refusal: true,
      maxEntries: 1,
      message: "All 1 pipelines of the registry are in use",
    });
    expect(pipelines.get("a").name).toBe("a");
    expect(keys()).toEqual(["a"]);
    clock.dropTimers();
  });

  it("does not wait for calls whose request was killed for ever", () => {
    const { clock, keys, pipelines } = setUp({ maxEntries: 1, maxUseMs: 1000 });
    watch(pipelines.get("killed").execute(manualOperation().operation));
    clock.dropTimers();
    clock.jump(999);
    expect(() => pipelines.get("b")).toThrow(RegistryFullError);
    clock.jump(1);
    pipelines.get("b");
    expect(keys()).toEqual(["b"]);
  });

  it("forgets what was not asked for so long, unless it is in use", async () => {
    const { clock, keys, made, pipelines } = setUp({ idleMs: 100, maxUseMs: 1000 });
    const { operation, run } = manualOperation();
    watch(pipelines.get("used").execute(operation));
    pipelines.get("a");
    clock.jump(60);
    pipelines.get("b");
    clock.jump(40);
    expect(pipelines.size).toBe(2);
    expect(keys()).toEqual(["used", "b"]);
    pipelines.get("a");
    expect(made).toEqual(["used", "a", "b", "a"]);
    run(0).resolve("done");
    await clock.settle();
    expect(keys()).toEqual(["b", "a"]);
  });

  it("forgets on demand; calls under way end as they would have", async () => {
    const { clock, made, pipelines } = setUp();
    const { operation, run } = manualOperation();
    const call = watch(pipelines.get("a").execute(operation));
    expect(pipelines.delete("a")).toBe(true);
    expect(pipelines.delete("a")).toBe(false);
    pipelines.get("a");
    expect(made).toEqual(["a", "a"]);
    run(0).resolve("done");
    await clock.settle();
    expect(call.value).toBe("done");
  });

  it("remembers nothing of a key whose pipeline could not be made", () => {
    let broken = true;
    const { pipelines, keys } = setUp({
      create: (key) => {
        if (broken) throw new Error(`no ${key}`);
        return pipeline(key);
      },
    });
    expect(() => pipelines.get("a")).toThrow("no a");
    expect(keys()).toEqual([]);
    broken = false;
    expect(pipelines.get("a").name).toBe("a");
  });

  describe("reconfigure", () => {
    /** Pipelines with a timeout that may change and a limit of one permit that is kept. */
    function setUpKept() {
      const clock = new TestClock();
      const settings = { timeoutMs: 10, fails: "" };
      const create = (key: string, keep: Keep) => {
        if (key === settings.fails) throw new Error("no");
        const limit = keep("limit", () => concurrencyLimit({ maxConcurrent: 1, clock }));
        return pipeline({ name: key, clock }, timeout({ timeoutMs: settings.timeoutMs, clock }), limit);
      };
      return { settings, ...setUp({ create, clock, maxEntries: 2 }), clock };
    }

    it("makes pipelines anew around the policies that are kept", async () => {
      const { clock, pipelines, settings } = setUpKept();
      const before = pipelines.get("a");
      const { operation } = manualOperation();
      const call = watch(before.execute(operation));
      settings.timeoutMs = 100;
      pipelines.reconfigure();
      const after = pipelines.get("a");
      expect(after).not.toBe(before);
      expect(after.policies[0]).toMatchObject({ timeoutMs: 100 });
      expect(after.policies[1]).toBe(before.policies[1]);
      expect(await rejectionOf(after.execute(() => 1))).toMatchObject({ code: "ERR_CONCURRENCY_LIMIT" });
      await clock.advance(10);
      expect(call.error).toMatchObject({ code: "ERR_TIMEOUT", timeoutMs: 10 });
    });

    it("makes one of them anew, and takes an unknown key as nothing to do", () => {
      const { pipelines } = setUpKept();
      const [a, b] = [pipelines.get("a"), pipelines.get("b")];
      pipelines.reconfigure("a");
      pipelines.reconfigure("unknown");
      expect(pipelines.get("a")).not.toBe(a);
      expect(pipelines.get("b")).toBe(b);
      expect(pipelines.size).toBe(2);
    });

    it("changes nothing when one of them cannot be made", () => {
      const { pipelines, settings } = setUpKept();
      const [a, b] = [pipelines.get("a"), pipelines.get("b")];
      settings.fails = "b";
      expect(() => pipelines.reconfigure()).toThrow("no");
      expect([pipelines.get("a"), pipelines.get("b")]).toEqual([a, b]);
      expect(pipelines.get("a")).toBe(a);
    });

    it("counts calls that began before as use of the key", async () => {
      const clock = new TestClock();
      const create = (key: string) => pipeline({ name: key, clock });
      const { keys, pipelines } = setUp({ create, clock, maxEntries: 1 });
      const { operation, run } = manualOperation();
      watch(pipelines.get("a").execute(operation));
      pipelines.reconfigure();
      pipelines.reconfigure();
      expect(() => pipelines.get("b")).toThrow(RegistryFullError);
      run(0).resolve("done");
      await clock.settle();
      pipelines.get("b");
      expect(keys()).toEqual(["b"]);
    });

    it("gives one policy for one name, and forgets what is not asked for again", () => {
      const clock = new TestClock();
      const settings = { limited: true };
      let limits = 0;
      const make = () => (limits++, concurrencyLimit({ maxConcurrent: 1, clock }));
      const { pipelines } = setUp({
        clock,
        create: (key, keep) => {
          if (!settings.limited) return pipeline(key);
          expect(keep("limit", make)).toBe(keep("limit", make));
          return pipeline(key, keep("limit", make));
        },
      });
      pipelines.get("a");
      for (settings.limited of [true, false, true]) pipelines.reconfigure();
      expect(limits).toBe(2);
    });
  });

  itRefuses(
    [() => registry({} as RegistryOptions), "`registry.create` must be a function, got undefined"],
    [() => setUp({ maxEntries: 0 }), "`registry.maxEntries` must be an integer of at least 1, got 0"],
    [() => setUp({ idleMs: 0 }), "`registry.idleMs` must be a number above 0 and at most Infinity, got 0"],
    [
      () => setUp({ maxUseMs: Number.NaN }),
      "`registry.maxUseMs` must be a number above 0 and at most Infinity, got NaN",
    ],
    [() => setUp().pipelines.get(1 as never), "`registry.get key` must be a string, got 1"],
    [
      () => setUp({ create: () => ({}) as never }).pipelines.get("a"),
      "`registry.create` must be a function that returns a pipeline, got an object",
    ],
  );
});
