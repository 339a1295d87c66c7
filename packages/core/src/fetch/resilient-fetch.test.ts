import { type Policy, constantBackoff, pipeline, retry } from "@headgate/core";
import { resilientFetch } from "@headgate/core/fetch";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { rejectionOf, watch } from "../../test/support/operations.ts";
import { itRefuses } from "../../test/support/options.ts";
import { retrying, status, url } from "../../test/support/resilient-fetches.ts";
import { hangs, stubFetch } from "../../test/support/stub-fetch.ts";

describe("resilientFetch", () => {
  it("gives the response of fetch, whatever its status", async () => {
    const { api } = retrying([status(404)]);
    const response = await api(url);
    expect(response.status).toBe(404);
    expect(await response.text()).toBe("404");
  });

  it("calls the global fetch of the moment when it is given none", async () => {
    const api = resilientFetch();
    const { fetch } = globalThis;
    try {
      globalThis.fetch = () => Promise.resolve(new Response("replaced later"));
      expect(await (await api(url)).text()).toBe("replaced later");
    } finally {
      globalThis.fetch = fetch;
    }
  });

  it("stands where a fetch is expected", async () => {
    const { api }: { api: typeof fetch } = retrying([status(200)]);
    expect((await api(new Request(url))).status).toBe(200);
  });

  it("passes everything on to fetch but what is for the policies", async () => {
    const { api, requests } = retrying([status(200)]);
    const init = { headers: { accept: "text/plain" }, redirect: "manual", cf: { cacheTtl: 5 } } as const;
    await api(new URL(url), { ...init, call: { key: "tenant-1", priority: 3 } });
    const { signal, ...passed } = { ...requests[0]?.init };
    expect(passed).toEqual(init);
    expect(signal).toBeInstanceOf(AbortSignal);
    expect(requests[0]?.url).toBe(url);
  });

  it("tells the policies deadline, priority, key and weight", async () => {
    const seen: unknown[] = [];
    const spy: Policy = {
      kind: "spy",
      enter({ options: { deadline, priority, key, weight } }) {
        seen.push([deadline, priority, key, weight]);
        return "pass";
      },
    };
    const clock = new TestClock();
    const api = resilientFetch({
      pipeline: pipeline({ name: "told", clock }, spy),
      fetch: stubFetch(status(200)).fetch,
    });
    await (await api(url, { call: { deadline: 50, priority: 2, key: "k", weight: 4 } })).text();
    expect(seen).toEqual([[50, 2, "k", 4]]);
  });

  describe("what counts how", () => {
    it.each([
      [status(200), "success"],
      [status(404), "success"],
      [status(500), "failure"],
      [status(429), "dropped"],
      [status(503), "failure"],
      [status(503, { "retry-after": "1" }), "dropped"],
      [new TypeError("fetch failed", { cause: Object.assign(new Error(), { code: "ECONNREFUSED" }) }), "dropped"],
      [new TypeError("fetch failed", { cause: Object.assign(new Error(), { code: "ECONNRESET" }) }), "failure"],
    ])("%s is a %s", async (answer, outcome) => {
      const { api, events } = retrying([answer], {}, 1);
      watch(api(url));
      await new TestClock().settle();
      expect(events.of("pipeline.settled")).toMatchObject([{ outcome }]);
    });

    it("does not count a caller who left, and gives its reason unchanged", async () => {
      const { api, events, requests, clock } = retrying([hangs]);
      const controller = new AbortController();
      const call = watch(api(url, { signal: controller.signal }));
      await clock.settle();
      // An error that looks like a timeout is the caller's all the same.
      const reason = new DOMException("looks like ours", "TimeoutError");
      controller.abort(reason);
      await clock.settle();
      expect(call.error).toBe(reason);
      expect(events.of("pipeline.settled")).toMatchObject([{ outcome: "ignored" }]);
      expect(requests[0]?.signal.reason).toBe(reason);
      expect(requests).toHaveLength(1);
    });

    it.each([
      ["no URL", "not a url", {}],
      ["a body where none may be", url, { body: "x" }],
      ["a header that is none", url, { headers: { "bad header": "x" } }],
    ])("refuses %s itself, unseen by the policies", async (_, input, init) => {
      const { api, events, requests } = retrying([status(200)]);
      expect(await rejectionOf(api(input, init))).toBeInstanceOf(TypeError);
      expect(requests).toHaveLength(0);
      expect(events.types).toEqual([]);
    });

    it("leaves the judgement to the caller where he has one", async () => {
      const judged = retrying([status(404), status(200)], { isFailure: (response) => response.status === 404 });
      expect((await judged.api(url)).status).toBe(200);
      const clock = new TestClock();
      const backoff = constantBackoff({ delayMs: 0 });
      const own = pipeline({ name: "own", clock, isFailure: () => false }, retry({ backoff, clock }));
      const { fetch, requests } = stubFetch(status(500));
      await resilientFetch({ pipeline: own, fetch })(url);
      expect(requests).toHaveLength(1);
    });
  });
  describe("the pipeline it builds", () => {
    it("is total timeout > retry > circuit breaker > concurrency limit > attempt timeout", () => {
      const { pipeline: built } = resilientFetch({ name: "orders", totalTimeoutMs: 3000 });
      expect(built.name).toBe("orders");
      expect(built.policies).toMatchObject([
        { kind: "timeout", timeoutMs: 3000 },
        { kind: "retry", maxAttempts: 3 },
        { kind: "circuit-breaker", name: "orders" },
        { kind: "concurrency-limit", name: "orders", algorithm: { kind: "knee" } },
        { kind: "timeout", timeoutMs: 1000 },
      ]);
    });

    it("is open to look at when it was given", async () => {
      const { api, breaker } = retrying([status(200)]);
      expect(api.pipeline.policies[1]).toBe(breaker);
      await (await api(url)).text();
      const again = api.pipeline.policies[0] as { retries?: number };
      expect(again.retries).toBe(0);
    });
  });

  const mixed: object = { pipeline: pipeline("given", retry()), maxAttempts: 5 };
  itRefuses(
    [() => resilientFetch({ fetch: "fetch" as never }), '`resilientFetch.fetch` must be a function, got "fetch"'],
    [
      () => resilientFetch({ idleTimeoutMs: 0 }),
      "`resilientFetch.idleTimeoutMs` must be a number above 0 and at most 2147483647, got 0",
    ],
    [
      () => resilientFetch({ maxReplayBytes: -1 }),
      "`resilientFetch.maxReplayBytes` must be an integer of at least 0, got -1",
    ],
    [
      () => resilientFetch({ idempotentMethods: ["get"] }),
      '`resilientFetch.idempotentMethods` must be an array of methods in capitals, got "get"',
    ],
    [
      () => resilientFetch({ idempotentMethods: "GET" as never }),
      '`resilientFetch.idempotentMethods` must be an array of methods in capitals, got "GET"',
    ],
    [
      () => resilientFetch({ pipeline: [retry()] as never }),
      "`resilientFetch.pipeline` must be made by pipeline(), got an array",
    ],
    [
      () => resilientFetch(mixed),
      "`resilientFetch.maxAttempts` must be left to the policies of `resilientFetch.pipeline`, got 5",
    ],
  );
});
