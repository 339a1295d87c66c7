import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { fused } from "./fused.ts";

const options = { timeoutMs: 100, maxAttempts: 3, maxConcurrent: 2, windowCalls: 10, maxFailures: 5, openMs: 1000 };
const failure = new Error("refused");
const fail = async () => {
  throw failure;
};
const succeed = async () => "fine";
/** Heeds its signal. */
const hang = ({ signal }: { readonly signal: AbortSignal }) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

describe("fused", () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it("returns what the operation returns, however often it is called", async () => {
    const run = fused(options);
    for (let i = 0; i < 20; i++) expect(await run(succeed)).toBe("fine");
  });

  it("tries again at once, and hands on the last error when no attempt is left", async () => {
    const run = fused(options);
    const operation = vi.fn(fail);
    await expect(run(operation)).rejects.toBe(failure);
    expect(operation).toHaveBeenCalledTimes(3);
    operation.mockRejectedValueOnce(failure).mockResolvedValueOnce("fine" as never);
    expect(await run(operation)).toBe("fine");
  });

  it("takes an operation that throws for one that rejects", async () => {
    const run = fused({ ...options, maxAttempts: 1 });
    const operation = () => {
      throw failure;
    };
    for (let i = 0; i < 3; i++) await expect(run(operation)).rejects.toBe(failure);
  });

  it("ends a call at its deadline and aborts the signal that the operation has read", async () => {
    const run = fused({ ...options, maxAttempts: 1 });
    const ended = Promise.allSettled([run(hang), run(hang)]);
    await vi.advanceTimersByTimeAsync(100);
    for (const { status, reason } of (await ended) as PromiseRejectedResult[]) {
      expect(status).toBe("rejected");
      expect(reason).toEqual(new Error("Took longer than 100 ms"));
    }
    expect(await run(succeed)).toBe("fine");
  });

  it("times each call from its own start with one host timer", async () => {
    const run = fused({ ...options, maxAttempts: 1 });
    let ended = 0;
    const end = () => ended++;
    run(hang).catch(end);
    await vi.advanceTimersByTimeAsync(60);
    run(hang).catch(end);
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(40);
    expect(ended).toBe(1);
    await vi.advanceTimersByTimeAsync(60);
    expect(ended).toBe(2);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("refuses calls beyond the limit, and gives a permit back when its work has really ended", async () => {
    const run = fused({ ...options, maxAttempts: 1 });
    let end = (_: unknown) => {};
    const abandoned = run(() => new Promise((resolve) => (end = resolve))).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(100);
    expect(await abandoned).toBeInstanceOf(Error);
    const second = run(hang).catch(() => {});
    await expect(run(succeed)).rejects.toThrow("All 2 permits are taken");
    end("too late");
    await vi.advanceTimersByTimeAsync(0);
    expect(await run(succeed)).toBe("fine");
    await vi.advanceTimersByTimeAsync(100);
    await second;
  });

  it("opens at the share of failures, lets one probe through after a while, and closes on its success", async () => {
    const run = fused({ ...options, maxAttempts: 1 });
    for (let i = 0; i < 5; i++) await expect(run(fail)).rejects.toBe(failure);
    await expect(run(succeed)).rejects.toThrow("The circuit is open");
    await vi.advanceTimersByTimeAsync(1000);
    const probe = run(succeed);
    await expect(run(succeed)).rejects.toThrow("The circuit is open");
    expect(await probe).toBe("fine");
    expect(await run(succeed)).toBe("fine");
  });
});
