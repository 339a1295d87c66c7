import { readFileSync } from "node:fs";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { configSchema, parseConfig } from "../src/config.ts";
import { loadConfig } from "../src/node.ts";

const route = { name: "orders", pathPrefix: "/orders", upstream: "http://127.0.0.1:1" };
const complaint = (value: unknown): string => {
  try {
    parseConfig(value, "gateway.json");
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("accepted");
};

describe("parseConfig", () => {
  it("fills in the defaults", () => {
    expect(parseConfig({ routes: [route] }, "gateway.json").routes[0]).toEqual({
      ...route,
      methods: ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"],
      trustForwarded: false,
      baggage: [],
      serverTiming: false,
      timeout: { timeoutMs: 5000 },
      deadline: { trusted: false, marginMs: 10 },
      retry: { maxAttempts: 4, initialMs: 100, maxMs: 10_000, maxBodyBytes: 65_536, budget: true },
      circuitBreaker: { maxFailures: 5, openMs: 30_000 },
      concurrencyLimit: { maxConcurrent: 200, maxQueue: 200, maxWaitMs: 1000 },
      loadShed: { enabled: false, trustPriority: false },
      loadBalance: { maxFailures: 5, ejectMs: 30_000, maxEjectedRatio: 0.5 },
    });
  });

  it.each([
    [null, "(the whole file) must be of type object, got null"],
    [{}, "routes must be of type array, got nothing"],
    [{ routes: [] }, "routes must be a list that is not empty, got []"],
    [
      { routes: [{ ...route, timeout: { timeoutMs: "5s" } }] },
      'routes[0].timeout.timeoutMs must be of type number, got "5s"',
    ],
    [{ routes: [{ ...route, timeout: { timeoutMs: 0 } }] }, "routes[0].timeout.timeoutMs must be more than 0, got 0"],
    [
      { routes: [{ ...route, retry: { maxAttempts: 1.5 } }] },
      "routes[0].retry.maxAttempts must be an integer, got 1.5",
    ],
    [{ routes: [{ ...route, retry: { maxAttempts: 11 } }] }, "routes[0].retry.maxAttempts must be at most 10, got 11"],
    [{ routes: [{ ...route, retires: {} }] }, "routes[0].retires is not a known setting"],
    [
      { routes: [{ ...route, baggage: ["user id"] }] },
      'routes[0].baggage[0] must be a string like /^[!#$%&\'*+.^_`|~0-9A-Za-z-]+$/, got "user id"',
    ],
    [
      { routes: [{ ...route, timeout: { timeoutMs: 10 } }] },
      "routes[0].deadline.marginMs must be less than timeout.timeoutMs (10), got 10",
    ],
    [{ routes: [route], port: 1 }, "port is not a known setting"],
    [
      { routes: [{ ...route, upstream: "ftp://x" }] },
      'routes[0].upstream must be an http:// or https:// URL, got "ftp://x"',
    ],
    [
      { routes: [{ ...route, upstream: "http://user:secret@x" }] },
      'routes[0].upstream must be a URL without query, fragment and credentials, got "http://user:secret@x"',
    ],
    [{ routes: [{ ...route, upstream: 5 }] }, "routes[0].upstream must be of type string, got 5"],
    [{ routes: [{ ...route, upstream: [] }] }, "routes[0].upstream must be a list that is not empty, got []"],
    [
      { routes: [{ ...route, upstream: ["http://a", "b", "http://c?d"] }] },
      'routes[0].upstream[1] must be an http:// or https:// URL, got "b"\n' +
        '  routes[0].upstream[2] must be a URL without query, fragment and credentials, got "http://c?d"',
    ],
    [
      { routes: [{ ...route, upstream: ["http://a", "http://a"] }] },
      'routes[0].upstream[1] must be listed once, got "http://a"',
    ],
    [
      { routes: [{ ...route, loadBalance: { maxEjectedRatio: 2 } }] },
      "routes[0].loadBalance.maxEjectedRatio must be at most 1, got 2",
    ],
    [
      { routes: [{ ...route, methods: ["GET", "BREW"] }] },
      'routes[0].methods[1] must be one of "GET", "HEAD", "OPTIONS"',
    ],
    [
      { routes: [route, { ...route, name: "other" }] },
      'routes[1].pathPrefix must be used by one route only, got "/orders"',
    ],
    [{ routes: [{ ...route, pathPrefix: "orders/" }] }, "routes[0].pathPrefix must be a string like"],
  ])("names the place, what is allowed and what came: %j", (value, message) => {
    expect(complaint(value)).toContain(`gateway.json is not a usable configuration:\n  ${message}`);
  });

  it("names every place at once", () => {
    expect(complaint({ routes: [{ name: "A", pathPrefix: "/a" }] }).split("\n")).toHaveLength(3);
  });
});

describe("loadConfig", () => {
  it("takes the embedded configuration without a path", () => {
    expect(loadConfig(undefined).routes[0]?.pathPrefix).toBe("/demo");
  });

  it("names a file that is not there", () => {
    expect(() => loadConfig("/nowhere/gateway.json")).toThrow("HEADGATE_CONFIG (/nowhere/gateway.json)");
  });

  it("names a file that is not JSON", () => {
    const path = join(mkdtempSync(join(tmpdir(), "headgate-")), "gateway.json");
    writeFileSync(path, "{ routes: [] }");
    expect(() => loadConfig(path)).toThrow(`${path} is not a usable configuration:\n  must be JSON, got`);
  });
});

describe("headgate.schema.json", () => {
  it("is what the code says (write it anew with scripts/write-schema.ts)", () => {
    const published: unknown = JSON.parse(readFileSync(new URL("../headgate.schema.json", import.meta.url), "utf8"));
    expect(published).toEqual(JSON.parse(JSON.stringify(configSchema())));
  });
});
