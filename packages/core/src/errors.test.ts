import {
  CircuitOpenError,
  ConcurrencyLimitError,
  HeadgateError,
  InvalidOptionError,
  isHeadgateError,
  isRefusal,
  PolicyOrderError,
  RateLimitError,
  RegistryFullError,
  TimeoutError,
} from "@headgate/core";
import { describe, expect, it } from "vitest";

const brand = "@@headgate/error";

const errors = [
  [new TimeoutError(50, "attempt"), "TimeoutError", "ERR_TIMEOUT", "timeout"],
  [new CircuitOpenError("orders", 1, undefined), "CircuitOpenError", "ERR_CIRCUIT_OPEN", "circuit-breaker"],
  [new ConcurrencyLimitError("full", 4, 8), "ConcurrencyLimitError", "ERR_CONCURRENCY_LIMIT", "concurrency-limit"],
  [new RateLimitError("orders", "limit", 10, 1), "RateLimitError", "ERR_RATE_LIMIT", "rate-limit"],
  [new RegistryFullError(3), "RegistryFullError", "ERR_REGISTRY_FULL", "registry"],
  [new InvalidOptionError("a.b", "1", "2"), "InvalidOptionError", "ERR_INVALID_OPTION", undefined],
] as const;

describe("HeadgateError", () => {
  it.each(errors)("carries a name, a stable code and the policy: %s", (error, name, code, policy) => {
    expect(error).toBeInstanceOf(HeadgateError);
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name, code, policy, pipeline: undefined });
    expect(String(error)).toBe(`${name}: ${error.message}`);
  });

  it.each(errors)("shows its name and message in its stack: %s", (error) => {
    expect(error.stack?.split("\n")[0]).toBe(String(error));
  });

  it("says what was full, and what was waited for in vain", () => {
    expect(new ConcurrencyLimitError("full", 4, 8).message).toBe("All 4 permits are taken and 8 calls are waiting");
    expect(new ConcurrencyLimitError("wait", 4, 50).message).toBe("None of 4 permits came free within 50 ms");
  });

  it("carries what opened the circuit as its cause", () => {
    const cause = new Error("reset");
    expect(new CircuitOpenError("orders", 10, cause)).toMatchObject({ cause, retryAfterMs: 10 });
  });
});

describe("errors of a wrong set-up", () => {
  it.each([
    ["an option", new InvalidOptionError("retry.maxAttempts", "an integer of at least 1", "0")],
    ["an order", new PolicyOrderError("orders", ["keep one of them."])],
  ])("of %s have their text as data, which every runtime shows", (_, error) => {
    expect(Object.getOwnPropertyDescriptor(error, "message")?.value).toMatch(/at least 1, got 0|keep one of them/);
    expect(Object.getOwnPropertyDescriptor(error, "name")?.value).toBe(error.name);
    expect((structuredClone(error) as Error).message).toBe(error.message);
    expect(Object.keys(error)).not.toContain("message");
  });
});

describe("isHeadgateError", () => {
  it("recognises an error of another copy of the package by its brand", () => {
    const foreign = Object.assign(new Error("elsewhere"), { code: "ERR_TIMEOUT", [brand]: true });
    expect(isHeadgateError(foreign)).toBe(true);
    expect(isHeadgateError(new TimeoutError(1, "total"))).toBe(true);
  });

  it("does not go by names or codes", () => {
    expect(isHeadgateError(Object.assign(new Error("alike"), { name: "HeadgateError", code: "ERR_TIMEOUT" }))).toBe(
      false,
    );
    expect(isHeadgateError({ [brand]: "yes" })).toBe(false);
    for (const other of [undefined, null, "ERR_TIMEOUT", 1, {}]) expect(isHeadgateError(other)).toBe(false);
  });
});

describe("isRefusal", () => {
  it("is true of policies that refused before the operation ran", () => {
    expect(isRefusal(new CircuitOpenError("orders", 1, undefined))).toBe(true);
    expect(isRefusal(new ConcurrencyLimitError("wait", 1, 1))).toBe(true);
    expect(
      isRefusal(Object.assign(new Error("elsewhere"), { code: "ERR_CIRCUIT_OPEN", refusal: true, [brand]: true })),
    ).toBe(true);
  });

  it("is false of a deadline and of foreign errors with the same code", () => {
    expect(isRefusal(new TimeoutError(1, "total"))).toBe(false);
    expect(isRefusal(Object.assign(new Error("alike"), { code: "ERR_CIRCUIT_OPEN" }))).toBe(false);
  });
});
