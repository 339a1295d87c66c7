// Nothing runs again for a caller that has left, also when it leaves while the call is moving.
import { constantBackoff, pipeline, retry } from "@headgate/core";
import { describe, expect, it } from "vitest";

describe("an abort from within a step of the call", () => {
  it("does not run an operation again that aborted its caller's signal and threw synchronously", async () => {
    const controller = new AbortController();
    const reason = { left: true };
    let runs = 0;
    const guarded = pipeline("a", retry({ maxAttempts: 3, backoff: constantBackoff({ delayMs: 0 }) }));
    const error = await guarded
      .execute(
        () => {
          runs++;
          controller.abort(reason);
          throw new Error("down");
        },
        { signal: controller.signal },
      )
      .catch((e: unknown) => e);
    expect(runs).toBe(1);
    expect(error).toBe(reason);
  });

  it("does not run again after an abort made from an observer of retry.scheduled", async () => {
    const controller = new AbortController();
    const reason = { left: true };
    let runs = 0;
    const guarded = pipeline(
      { name: "a", observer: (e) => void (e.type === "retry.scheduled" && controller.abort(reason)) },
      retry({ maxAttempts: 3, backoff: constantBackoff({ delayMs: 0 }) }),
    );
    const error = await guarded
      .execute(
        async () => {
          runs++;
          throw new Error("down");
        },
        { signal: controller.signal },
      )
      .catch((e: unknown) => e);
    expect(runs).toBe(1);
    expect(error).toBe(reason);
  });
});
