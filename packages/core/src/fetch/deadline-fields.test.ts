import { deadlineFields, formatRemainingMs, parseRemainingMs } from "@headgate/core/fetch";
import { describe, expect, it } from "vitest";

const remainingOf = (fields: Record<string, string>): number => {
  const headers = new Headers(fields);
  return parseRemainingMs((name) => headers.get(name));
};

describe("parseRemainingMs", () => {
  it("gives the least of what the fields say", () => {
    expect(remainingOf({})).toBe(Number.POSITIVE_INFINITY);
    expect(remainingOf({ "X-Request-Timeout-Ms": "500" })).toBe(500);
    expect(remainingOf({ "x-request-timeout-ms": "500", "grpc-timeout": "250m" })).toBe(250);
    const all = { "x-request-timeout-ms": "500", "grpc-timeout": "1S", "x-envoy-expected-rq-timeout-ms": "100" };
    expect(remainingOf(all)).toBe(100);
    expect(remainingOf({ "x-request-timeout-ms": "-20" })).toBe(-20);
  });

  it.each(["", "soon", "1e3", "12.5", "0x10", "+5", "5 ms", "1234567890123"])("takes no duration from %j", (value) => {
    expect(remainingOf({ "x-request-timeout-ms": value })).toBe(Number.POSITIVE_INFINITY);
  });

  it.each(["5", "5x", "-5S", "123456789S", "5S5S"])("takes no duration from a grpc-timeout of %j", (value) => {
    expect(remainingOf({ "grpc-timeout": value, "x-request-timeout-ms": "70" })).toBe(70);
  });

  it("takes nothing from a field that came twice", () => {
    const headers = new Headers([
      ["x-request-timeout-ms", "5"],
      ["x-request-timeout-ms", "7"],
    ]);
    expect(parseRemainingMs((name) => headers.get(name))).toBe(Number.POSITIVE_INFINITY);
  });

  it("reads other fields when told", () => {
    expect(parseRemainingMs((name) => (name === "x-left" ? "7" : "5"), ["x-left"])).toBe(7);
  });
});

describe("formatRemainingMs", () => {
  it("writes whole milliseconds, rounded down, never below 0", () => {
    expect(formatRemainingMs("x-request-timeout-ms", 12.9)).toBe("12");
    expect(formatRemainingMs("x-request-timeout-ms", -1)).toBe("0");
  });

  it("writes a grpc-timeout of at most eight digits", () => {
    const written = [0, 250.5, 99_999_999, 100_000_000, 2e11, 1e13, Number.MAX_SAFE_INTEGER];
    expect(written.map((ms) => formatRemainingMs("grpc-timeout", ms))).toEqual([
      "0m",
      "250m",
      "99999999m",
      "100000S",
      "3333333M",
      "2777777H",
      "99999999H",
    ]);
  });

  it("is read again as at most what it was written from", () => {
    for (const name of deadlineFields)
      for (const ms of [0, 1, 999.9, 123_456_789, 1e11]) {
        const read = parseRemainingMs((field) => (field === name ? formatRemainingMs(name, ms) : null));
        expect(read).toBeLessThanOrEqual(ms);
        expect(read).toBeGreaterThan(ms - 60_000);
      }
  });
});
