// Waiting in virtual time, without a server: a real connection has timers of its own.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createFlaky } from "../src/app.ts";
import { type Waiters, wait } from "../src/wait.ts";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

function spiedSignal(): { controller: AbortController; listeners: () => number } {
  const controller = new AbortController();
  const add = vi.spyOn(controller.signal, "addEventListener");
  const remove = vi.spyOn(controller.signal, "removeEventListener");
  return { controller, listeners: () => add.mock.calls.length - remove.mock.calls.length };
}

describe("wait", () => {
  it.each(["elapsed", "aborted", "released"] as const)("leaves nothing behind when it is %s", async (end) => {
    const { controller, listeners } = spiedSignal();
    const waiters: Waiters = new Set();
    const waiting = wait({ ms: 100, signal: controller.signal, waiters });
    expect(waiters.size).toBe(1);
    if (end === "elapsed") vi.advanceTimersByTime(100);
    if (end === "aborted") controller.abort();
    if (end === "released") for (const release of waiters) release();
    // Out of the set at once, so that no turn is handed to it.
    expect(waiters.size).toBe(0);
    expect(await waiting).toBe(end);
    expect(vi.getTimerCount()).toBe(0);
    expect(listeners()).toBe(0);
  });

  it("does not start on an aborted signal", async () => {
    const waiters: Waiters = new Set();
    expect(await wait({ ms: 100, signal: AbortSignal.abort(), waiters })).toBe("aborted");
    expect(waiters.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("goes by what came first", async () => {
    const controller = new AbortController();
    const waiters: Waiters = new Set();
    const waiting = wait({ ms: 100, signal: controller.signal, waiters });
    for (const release of waiters) release();
    controller.abort();
    expect(await waiting).toBe("released");
  });
});

describe("bodyStream", () => {
  it("makes one byte a pull", async () => {
    const response = await createFlaky().request("/drip?bytes=3&everyMs=50");
    const reader = response.body?.getReader();
    for (const byte of [0, 1, 2]) {
      const read = reader?.read();
      await vi.advanceTimersByTimeAsync(50);
      expect(await read).toEqual({ done: false, value: Uint8Array.of(byte) });
    }
    expect((await reader?.read())?.done).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("leaves no timer behind when the body is cancelled", async () => {
    const response = await createFlaky().request("/drip?everyMs=60000");
    expect(vi.getTimerCount()).toBe(0);
    const reader = response.body?.getReader();
    const read = reader?.read();
    await vi.advanceTimersByTimeAsync(1);
    expect(vi.getTimerCount()).toBe(1);
    await reader?.cancel();
    expect((await read)?.done).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("ends when the signal of the request aborts", async () => {
    const controller = new AbortController();
    const flaky = createFlaky();
    const response = await flaky.request("/drip?everyMs=60000", { signal: controller.signal });
    const read = response.body?.getReader().read();
    await vi.advanceTimersByTimeAsync(1);
    controller.abort();
    expect((await read)?.done).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
    const { counts } = (await (await flaky.request("/_mode")).json()) as { readonly counts: unknown };
    expect(counts).toMatchObject({ inFlight: 0, abandoned: 1 });
  });
});
