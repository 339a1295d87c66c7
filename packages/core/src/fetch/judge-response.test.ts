import { describe, expect, it } from "vitest";
import {
  discardResponse,
  isFailedResponse,
  isOverloadResult,
  parseRetryAfter,
  retryAfterOf,
} from "./judge-response.ts";

describe("isFailedResponse", () => {
  it.each([
    [200, false],
    [304, false],
    [404, false],
    [429, false],
    [500, true],
    [599, true],
  ])("%i: %s", (status, failed) => {
    expect(isFailedResponse(new Response(null, { status }))).toBe(failed);
  });

  it("knows a response of another implementation, and that nothing is none", () => {
    expect(isFailedResponse({ status: 502, headers: new Map() })).toBe(true);
    expect(isFailedResponse(undefined)).toBe(false);
  });
});

const fetchFailed = (cause: unknown) => new TypeError("fetch failed", { cause });
const coded = (code: string) => Object.assign(new Error(code), { code });

describe("isOverloadResult", () => {
  it.each([
    [500, false],
    [429, true],
    [503, false],
  ])("%i: %s", (status, overload) => {
    expect(isOverloadResult(new Response(null, { status }))).toBe(overload);
  });

  it("takes a 503 for overload when it says when to come back", () => {
    expect(isOverloadResult(new Response(null, { status: 503, headers: { "retry-after": "1" } }))).toBe(true);
    expect(isOverloadResult(new Response(null, { status: 500, headers: { "retry-after": "1" } }))).toBe(false);
  });

  it("looks for the system's code behind the error of fetch", () => {
    expect(isOverloadResult(fetchFailed(coded("ECONNREFUSED")))).toBe(true);
    expect(isOverloadResult(fetchFailed(coded("UND_ERR_CONNECT_TIMEOUT")))).toBe(true);
    expect(isOverloadResult(fetchFailed(coded("ECONNRESET")))).toBe(false);
    expect(isOverloadResult(fetchFailed(undefined))).toBe(false);
    expect(isOverloadResult("a thrown string")).toBe(false);
    expect(isOverloadResult(null)).toBe(false);
  });

  it("ends at causes that go round in a circle", () => {
    const circle = new Error("circle");
    circle.cause = circle;
    expect(isOverloadResult(circle)).toBe(false);
  });
});

describe("retryAfterOf", () => {
  const nowMs = Date.UTC(2026, 9, 21, 7, 0, 0);
  const after = (retryAfter: string, date?: string) =>
    retryAfterOf(
      new Response(null, { status: 503, headers: { "retry-after": retryAfter, ...(date && { date }) } }),
      () => nowMs,
    );

  it.each([
    ["3", 3000],
    [" 0 ", 0],
    ["Wed, 21 Oct 2026 07:00:30 GMT", 30_000],
    ["Wednesday, 21-Oct-26 07:00:30 GMT", 30_000],
    ["Wed Oct 21 07:00:30 2026", 30_000],
    ["Wed, 21 Oct 2026 06:00:00 GMT", 0],
  ])("reads %j as %i ms", (value, ms) => {
    expect(after(value)).toBe(ms);
  });

  it.each(["", "-5", "1.5", "soon", "Wed, 99 Oct 2026", "2026-10-21T07:00:30Z"])("reads nothing from %j", (value) => {
    expect(after(value)).toBeUndefined();
  });

  it("holds a date against the server's own clock when the response tells it", () => {
    expect(after("Wed, 21 Oct 2026 07:00:30 GMT", "Wed, 21 Oct 2026 07:00:20 GMT")).toBe(10_000);
  });

  it("takes the hint of an error", () => {
    expect(retryAfterOf({ retryAfterMs: 7 }, () => nowMs)).toBe(7);
    expect(retryAfterOf(new Error("down"), () => nowMs)).toBeUndefined();
    expect(retryAfterOf(null, () => nowMs)).toBeUndefined();
  });
});

describe("discardResponse", () => {
  it("cancels a body that nobody reads, and leaves one that somebody reads", async () => {
    let cancels = 0;
    const response = () => new Response(new ReadableStream({ cancel: () => void cancels++ }));
    await discardResponse(response());
    expect(cancels).toBe(1);
    const read = response();
    read.body?.getReader();
    expect(discardResponse(read)).toBeUndefined();
    expect(discardResponse(new Response(null))).toBeUndefined();
    expect(discardResponse("no response")).toBeUndefined();
  });
});

describe("parseRetryAfter", () => {
  it("reads seconds and dates, and nothing else", () => {
    expect(parseRetryAfter("3")).toBe(3000);
    const date = "Tue, 24 Nov 2026 06:00:00 GMT";
    expect(parseRetryAfter("Tue, 24 Nov 2026 06:00:05 GMT", date)).toBe(5000);
    expect(parseRetryAfter("Tue, 24 Nov 2026 05:00:00 GMT", date)).toBe(0);
    for (const none of [null, undefined, "", "soon", "-1", "1.5"]) expect(parseRetryAfter(none)).toBeUndefined();
  });
});
