import { rateLimit } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { rateLimitBinding } from "@headgate/workers";
import { describe, expect, it } from "vitest";
import { itRefuses, missing } from "../test/support/options.ts";

const quota = { limit: 3, windowMs: 10_000, burst: 3 };

/** Lets so many through for each key. */
function bindingOf(limit: number) {
  const asked: string[] = [];
  return {
    asked,
    limit: async ({ key }: { key: string }) => {
      asked.push(key);
      return { success: asked.filter((each) => each === key).length <= limit };
    },
  };
}

describe("rateLimitBinding", () => {
  it("says what the binding says, and nothing that it does not know", async () => {
    const backend = rateLimitBinding(bindingOf(1));
    expect(await backend.take("a", 1, quota)).toEqual({ allowed: true });
    expect(await backend.take("a", 1, quota)).toEqual({ allowed: false });
    expect(await backend.take("b", 1, quota)).toEqual({ allowed: true });
  });

  it("asks once for each unit of a cost, and no more after a refusal", async () => {
    const binding = bindingOf(4);
    const backend = rateLimitBinding(binding, { keyPrefix: "api:" });
    expect(await backend.take("a", 2.5, quota)).toEqual({ allowed: true });
    expect(binding.asked).toEqual(["api:a", "api:a", "api:a"]);
    expect(await backend.take("a", 3, quota)).toEqual({ allowed: false });
    expect(binding.asked.length).toBe(5);
  });

  it("refuses a cost above the most it asks for, without asking", async () => {
    const binding = bindingOf(100);
    const backend = rateLimitBinding(binding, { maxCost: 2 });
    expect(await backend.take("a", 3, quota)).toEqual({ allowed: false });
    expect(binding.asked).toEqual([]);
  });

  it("decides for a rate limit, whose result leaves out the numbers", async () => {
    const limit = rateLimit({ limit: 1, windowMs: 10_000, backend: rateLimitBinding(bindingOf(1)) });
    expect(await limit.tryAcquire("a")).toMatchObject({ allowed: true, remaining: undefined, retryAfterMs: 0 });
    expect(await limit.tryAcquire("a")).toMatchObject({ allowed: false, retryAfterMs: undefined, degraded: false });
  });

  it("is not waited for longer than the rate limit allows", async () => {
    const clock = new TestClock();
    const backend = rateLimitBinding({ limit: () => new Promise(() => {}) });
    const limit = rateLimit({ limit: 1, backend, backendTimeoutMs: 20, clock });
    const result = limit.tryAcquire("a");
    await clock.advance(20);
    expect(await result).toMatchObject({ allowed: true, degraded: true });
  });

  itRefuses(
    [
      () => rateLimitBinding(missing),
      "`rateLimitBinding.binding` must be a rate-limit binding, with `limit`, got undefined",
    ],
    [
      () => rateLimitBinding(bindingOf(1), { maxCost: 0 }),
      "`rateLimitBinding.maxCost` must be an integer of at least 1, got 0",
    ],
    [
      () => rateLimitBinding(bindingOf(1), { keyPrefix: 1 as never }),
      "`rateLimitBinding.keyPrefix` must be a string, got 1",
    ],
  );
});
