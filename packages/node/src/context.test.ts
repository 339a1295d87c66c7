import { concurrencyLimit, pipeline, retry, timeout } from "@headgate/core";
import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { ambient, currentContext, runWithContext } from "./context.ts";

const trace = { traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" };
const far = () => performance.now() + 60_000;

describe("runWithContext", () => {
  it("is there for everything that runs inside, and nowhere else", async () => {
    const deadline = far();
    const seen = await runWithContext({ deadline, trace }, async () => {
      await Promise.resolve();
      return currentContext();
    });
    expect(seen).toEqual({ deadline, trace });
    expect(currentContext()).toBeUndefined();
    expect(ambient()).toEqual({ signal: undefined, deadline: undefined });
  });

  it("never extends a deadline", () => {
    const outer = far();
    const inside = (deadline: number | undefined) =>
      runWithContext({ deadline: outer }, () => runWithContext({ deadline }, () => ambient().deadline));
    expect([inside(outer + 1000), inside(outer - 1000), inside(undefined)]).toEqual([outer, outer - 1000, outer]);
    expect(runWithContext({ trace }, () => runWithContext({ deadline: outer }, () => ambient().deadline))).toBe(outer);
  });

  it("inherits what is not given", () => {
    const { signal } = new AbortController();
    const inner = runWithContext({ signal, trace }, () => runWithContext({ deadline: far() }, currentContext));
    expect([inner?.signal, inner?.trace]).toEqual([signal, trace]);
    const other = { traceparent: "00-00000000000000000000000000000001-0000000000000001-00" };
    expect(runWithContext({ trace }, () => runWithContext({ trace: other }, currentContext))?.trace).toBe(other);
  });

  it.each(["outer", "inner"] as const)("aborts with the reason of the %s signal", (which) => {
    const controllers = { outer: new AbortController(), inner: new AbortController() };
    const reason = new Error("enough");
    const signal = runWithContext({ signal: controllers.outer.signal }, () =>
      runWithContext({ signal: controllers.inner.signal }, async () => {
        const mine = ambient().signal;
        controllers[which].abort(reason);
        return [mine?.aborted, mine?.reason];
      }),
    );
    return expect(signal).resolves.toEqual([true, reason]);
  });

  it("takes over an abort that came before", () => {
    const seen = runWithContext({ signal: AbortSignal.abort("before") }, () =>
      runWithContext({ signal: new AbortController().signal }, () => ambient().signal?.reason),
    );
    expect(seen).toBe("before");
  });

  it("leaves no listener on a signal that outlives it, however its function ends", async () => {
    const outer = new AbortController();
    const inner = new AbortController();
    const nested = <T>(fn: () => T) =>
      runWithContext({ signal: outer.signal }, () => runWithContext({ signal: inner.signal }, fn));
    const listeners = () => [outer, inner].map(({ signal }) => getEventListeners(signal, "abort").length);
    const failing = () => {
      throw new Error("no");
    };
    expect(nested(listeners)).toEqual([1, 1]);
    expect(() => nested(failing)).toThrow("no");
    expect(listeners()).toEqual([0, 0]);
    await nested(async () => {});
    await expect(nested(async () => failing())).rejects.toThrow("no");
    expect(listeners()).toEqual([0, 0]);
  });

  it("refuses a deadline that is no time", () => {
    expect(() => runWithContext({ deadline: Number.NaN }, () => {})).toThrow(
      "`runWithContext.deadline` must be a time on the system clock, got NaN",
    );
  });
});

describe("ambient", () => {
  it("ends a call at the deadline that surrounds it", async () => {
    const calls = pipeline("example");
    const error = await runWithContext({ deadline: performance.now() + 5 }, () =>
      calls.execute(() => new Promise(() => {}), ambient()).catch((reason: unknown) => reason),
    );
    expect(error).toMatchObject({ code: "ERR_TIMEOUT", scope: "deadline" });
  });

  it("ends a call with the signal that surrounds it", async () => {
    const controller = new AbortController();
    const call = runWithContext({ signal: controller.signal }, () =>
      pipeline("example").execute(() => new Promise(() => {}), ambient()),
    );
    controller.abort("left");
    await expect(call).rejects.toBe("left");
  });

  it("is a call's own after it has waited for another's permit", async () => {
    const calls = pipeline("example", concurrencyLimit({ maxConcurrent: 1, maxQueue: 2 }));
    const release = Promise.withResolvers<void>();
    const order: number[] = [];
    const run = (deadline: number) =>
      runWithContext({ deadline }, () =>
        calls.execute(async () => {
          order.push(deadline);
          if (order.length === 1) await release.promise;
          return currentContext()?.deadline;
        }, ambient()),
      );
    const first = far();
    const results = [run(first), run(first + 1), run(first + 2)];
    expect(order).toEqual([first]);
    // Whoever lets the first one end has a context of its own as well.
    runWithContext({ deadline: first + 3 }, () => release.resolve());
    expect(await Promise.all(results)).toEqual([first, first + 1, first + 2]);
  });

  it("is a call's own after a back-off, and after an attempt of its own timed out", async () => {
    const attempts = timeout({ timeoutMs: 10 });
    const calls = pipeline("example", retry({ maxAttempts: 3, backoff: () => 1 }), attempts);
    const run = (deadline: number) =>
      runWithContext({ deadline }, () => {
        const seen: unknown[] = [];
        return calls.execute(({ attempt }) => {
          seen.push(currentContext()?.deadline);
          if (attempt === 1) throw new Error("not yet");
          return attempt === 2 ? new Promise<never>(() => {}) : seen;
        }, ambient());
      });
    const first = far();
    expect(await Promise.all([run(first), run(first + 1)])).toEqual([
      [first, first, first],
      [first + 1, first + 1, first + 1],
    ]);
  });
});
