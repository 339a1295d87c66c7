import { concurrencyLimit, pipeline, retry, timeout } from "@headgate/core";
import { EventRecorder, TestClock } from "@headgate/core/testing";
import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { admission } from "./admission.ts";
import { ShutdownError } from "./shutdown-error.ts";

function made() {
  const clock = new TestClock();
  const controller = new AbortController();
  const recorder = new EventRecorder();
  const gate = admission({ stopping: controller.signal });
  const calls = pipeline(
    { name: "orders", clock, observer: recorder.observer },
    timeout({ timeoutMs: 60_000, clock }),
    retry({ backoff: () => 1000, clock }),
    gate,
    concurrencyLimit({ maxConcurrent: 1, maxQueue: 5, maxWaitMs: 30_000, clock }),
  );
  return { clock, gate, calls, recorder, controller, stop: () => controller.abort(new ShutdownError("SIGTERM")) };
}

const refused = { code: "ERR_SHUTDOWN", trigger: "SIGTERM", pipeline: "orders", refusal: true };
const failing = (call: Promise<unknown>) => call.catch((error: unknown) => error);

describe("admission", () => {
  it("lets what runs go on, ends what waits at once, and refuses what comes", async () => {
    const { clock, gate, calls, stop } = made();
    const release = Promise.withResolvers<string>();
    const started: string[] = [];
    const running = calls.execute(() => release.promise);
    const waiting = [1, 2].map(() => failing(calls.execute(() => started.push("waiting"))));
    expect(gate.inFlight).toBe(3);
    stop();
    expect(await Promise.all(waiting)).toEqual([1, 2].map(() => expect.objectContaining(refused)));
    expect(await failing(calls.execute(() => started.push("late")))).toMatchObject(refused);
    expect(gate.inFlight).toBe(1);
    release.resolve("done");
    expect(await running).toBe("done");
    expect([started, gate.inFlight, clock.pending]).toEqual([[], 0, 0]);
  });

  it("makes no further attempt", async () => {
    const { clock, calls, stop } = made();
    let attempts = 0;
    const call = failing(
      calls.execute(() => {
        attempts++;
        throw new Error("not yet");
      }),
    );
    await clock.settle();
    stop();
    await clock.advance(1000);
    expect(await call).toMatchObject(refused);
    expect([attempts, clock.pending]).toEqual([1, 0]);
  });

  it("ends a back-off at once where it stands outside the retry", async () => {
    const clock = new TestClock();
    const controller = new AbortController();
    const gate = admission({ stopping: controller.signal });
    const calls = pipeline({ name: "orders", clock }, gate, retry({ backoff: () => 1000, clock }));
    const call = failing(calls.execute(() => Promise.reject(new Error("not yet"))));
    await clock.settle();
    controller.abort("closing");
    expect(await call).toMatchObject({ code: "ERR_SHUTDOWN", trigger: "stopping", pipeline: "orders" });
    expect([gate.inFlight, clock.pending]).toEqual([0, 0]);
  });

  it("counts what it refuses as nothing that a dependency did", async () => {
    const { calls, recorder, stop } = made();
    stop();
    await failing(calls.execute(() => 1));
    expect(recorder.events.at(-1)).toMatchObject({ type: "pipeline.settled", outcome: "ignored", attempts: 1 });
  });

  it("holds one listener however many calls there are", async () => {
    const { calls, gate, controller } = made();
    await calls.execute(() => 1);
    await failing(calls.execute(() => Promise.reject(new RangeError("no")), { signal: AbortSignal.abort("left") }));
    expect([gate.inFlight, getEventListeners(controller.signal, "abort").length]).toEqual([0, 1]);
  });

  it("needs a signal", () => {
    expect(() => admission({} as never)).toThrow("`admission.stopping` must be an AbortSignal, got undefined");
  });
});
