import {
  type Policy,
  circuitBreaker,
  concurrencyLimit,
  consecutiveFailures,
  constantBackoff,
  fallback,
  pipeline,
  retry,
  timeout,
} from "@headgate/core";
import { type ResilientFetchOptions, resilientFetch } from "@headgate/core/fetch";
import { EventRecorder, SeededRandom, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../../test/support/leftovers.ts";
import { listenersOn } from "../../test/support/listeners.ts";
import { rejectionOf, watch } from "../../test/support/operations.ts";
import { itRefuses } from "../../test/support/options.ts";
import {
  type Answer,
  bodyOf,
  feedableResponse,
  hangs,
  piecesStream,
  stubFetch,
} from "../../test/support/stub-fetch.ts";

const url = "https://example.com/orders";
const status =
  (code: number, headers: HeadersInit = {}) =>
  () =>
    new Response(`${code}`, { status: code, headers });

/** Retries at once, in a pipeline of the test's own. */
function retrying(answers: Answer[], settings: ResilientFetchOptions = {}, maxAttempts = 3) {
  const clock = new TestClock();
  const events = new EventRecorder();
  const breaker = circuitBreaker({ trip: consecutiveFailures({ maxFailures: 100 }), clock });
  const limit = concurrencyLimit({ maxConcurrent: 1, clock });
  const again = retry({ maxAttempts, backoff: constantBackoff({ delayMs: 0 }), clock });
  const { fetch, requests } = stubFetch(...answers);
  const orders = pipeline({ name: "orders", clock, observer: events.observer }, again, breaker, limit);
  const api = resilientFetch({ ...settings, pipeline: orders, fetch } as ResilientFetchOptions);
  return { api, requests, clock, events, limit, breaker };
}

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
      [status(503), "dropped"],
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

  describe("what is sent again", () => {
    it.each(["GET", "head", "OPTIONS", "PUT", "delete"])("%s", async (method) => {
      const { api, requests } = retrying([status(500), status(200)]);
      expect((await api(url, { method })).status).toBe(200);
      expect(requests).toHaveLength(2);
    });

    it.each(["POST", "PATCH"])("not %s, whose failure is returned and counted all the same", async (method) => {
      const { api, requests, events } = retrying([status(500)]);
      expect((await api(url, { method, body: "x" })).status).toBe(500);
      expect(requests).toHaveLength(1);
      expect(events.of("pipeline.settled")).toMatchObject([{ outcome: "failure", attempts: 1 }]);
      expect(events.types).toEqual(["pipeline.settled"]);
    });

    it("POST with an Idempotency-Key, in init or in the request", async () => {
      const headers = { "Idempotency-Key": "order-17" };
      for (const input of [url, new Request(url, { method: "POST", headers })]) {
        const { api, requests } = retrying([status(500), status(200)]);
        await api(input, typeof input === "string" ? { method: "POST", headers, body: "x" } : {});
        expect(requests).toHaveLength(2);
      }
    });

    it("what the caller says, against the method", async () => {
      const query = retrying([status(500), status(200)]);
      await query.api(url, { method: "POST", body: "{ orders }", call: { idempotent: true } });
      expect(query.requests).toHaveLength(2);
      const counter = retrying([status(500), status(200)]);
      await counter.api(url, { call: { idempotent: false } });
      expect(counter.requests).toHaveLength(1);
    });

    it("is a hedge's affair too", async () => {
      const hedged: (string | undefined)[] = [];
      const hedge: Policy = {
        kind: "hedge",
        enter({ options }) {
          hedged.push(options.key);
          return "pass";
        },
        leave: ({ options }) => {
          hedged.push(options.key);
          return "pass";
        },
      };
      const api = resilientFetch({ pipeline: pipeline("hedged", hedge), fetch: stubFetch(status(200)).fetch });
      await api(url, { method: "POST", call: { key: "post" } });
      await api(url, { call: { key: "get" } });
      expect(hedged).toEqual(["get", "get"]);
    });

    it("no method beside those in `idempotentMethods`", async () => {
      const { api, requests } = retrying([status(500)], { idempotentMethods: ["HEAD"] });
      await api(url);
      expect(requests).toHaveLength(1);
    });

    it("a POST that an open circuit kept from being sent, once the circuit lets it through", async () => {
      const clock = new TestClock();
      const breaker = circuitBreaker({ trip: consecutiveFailures({ maxFailures: 1 }), openMs: 50, clock });
      const again = retry({ backoff: constantBackoff({ delayMs: 0 }), clock });
      const { fetch, requests } = stubFetch(status(500), status(201));
      const api = resilientFetch({
        fetch,
        pipeline: pipeline({ name: "orders", clock }, timeout({ timeoutMs: 1000, clock }), again, breaker),
      });
      await (await api(url, { method: "POST" })).text();
      const second = watch(api(url, { method: "POST" }));
      await clock.advance(49);
      expect(requests).toHaveLength(1);
      await clock.advance(1);
      expect(second.value?.status).toBe(201);
    });
  });

  describe("bodies of requests", () => {
    const form = new FormData();
    form.append("a", "1");
    it.each<[string, BodyInit, string | RegExp]>([
      ["a string", "text", "text"],
      ["bytes", new TextEncoder().encode("bytes"), "bytes"],
      ["search params", new URLSearchParams({ a: "1" }), "a=1"],
      ["a blob", new Blob(["blob"]), "blob"],
      ["a form", form, /name="a"/],
    ])("sends %s again", async (_, body, text) => {
      const { api, requests } = retrying([new Response("", { status: 500 }), new Response("", { status: 200 })]);
      expect((await api(url, { method: "PUT", body })).status).toBe(200);
      expect(requests.map((request) => request.body)).toEqual([
        expect.stringMatching(text),
        expect.stringMatching(text),
      ]);
      expect(requests[1]?.init.body).toBe(body);
    });

    it("sends a stream again, as well when the server answered before it had read all", async () => {
      const source = piecesStream("one ", "two ", "three");
      let early: string | undefined;
      const { api, requests } = retrying([
        async ({ init }) => {
          const reader = (init.body as ReadableStream<Uint8Array>).getReader();
          early = new TextDecoder().decode((await reader.read()).value);
          await reader.cancel();
          return new Response("busy", { status: 503 });
        },
        new Response("done"),
      ]);
      const response = await api(url, { method: "PUT", body: source.stream });
      expect(await response.text()).toBe("done");
      expect(early).toBe("one ");
      expect(requests[1]?.body).toBe("one two three");
      expect(requests[1]?.init).toMatchObject({ duplex: "half" });
      expect(source.taken).toBe(3);
    });

    it("streams a body past the limit, and then lets it be", async () => {
      const source = piecesStream("12345", "67890");
      const settings = { maxReplayBytes: 9 };
      const { api, requests } = retrying([new Response("", { status: 500 })], settings);
      expect((await api(url, { method: "PUT", body: source.stream })).status).toBe(500);
      expect(requests.map(({ body }) => body)).toEqual(["1234567890"]);
    });

    it("leaves an iterable alone, which can be read once", async () => {
      const { api, requests } = retrying([() => new Response("", { status: 500 })]);
      const body = (async function* () {
        yield new TextEncoder().encode("once");
      })();
      expect((await api(url, { method: "PUT", body: body as unknown as BodyInit })).status).toBe(500);
      expect(requests).toHaveLength(1);
    });

    it("cancels a stream that the server does not want to its end", async () => {
      const source = piecesStream("a", "b");
      const { api } = retrying([
        async ({ init }) => {
          const reader = (init.body as ReadableStream<Uint8Array>).getReader();
          await reader.read();
          await reader.cancel();
          return new Response("enough");
        },
      ]);
      await api(url, { method: "PUT", body: source.stream });
      expect(source.cancelled).toBe(true);
    });

    it("does not touch a stream that cannot be sent again", async () => {
      for (const [method, maxAttempts] of [
        ["POST", 3],
        ["PUT", 1],
      ] as const) {
        const { stream } = piecesStream("x");
        const { api, requests } = retrying([status(500)], {}, maxAttempts);
        await api(url, { method, body: stream });
        expect(requests[0]?.init.body).toBe(stream);
      }
    });

    it("cancels a stream when the call fails for good, and leaves it to the caller when it never began", async () => {
      const source = piecesStream("a", "b");
      const failing = retrying([
        async ({ init }) => {
          await (init.body as ReadableStream<Uint8Array>).getReader().read();
          throw new Error("reset");
        },
      ]);
      await rejectionOf(failing.api(url, { method: "PUT", body: source.stream }));
      expect(failing.requests).toHaveLength(3);
      expect(source.cancelled).toBe(true);

      const busy = retrying([hangs]);
      const holder = new AbortController();
      const held = watch(busy.api(url, { signal: holder.signal }));
      const { stream } = piecesStream("a");
      expect(await rejectionOf(busy.api(url, { method: "PUT", body: stream }))).toMatchObject({
        code: "ERR_CONCURRENCY_LIMIT",
      });
      expect(stream.locked).toBe(false);
      holder.abort(new Error("over"));
      await busy.clock.settle();
      expect(held.state).toBe("rejected");
    });
  });

  describe("requests as input", () => {
    it("sends a request with its body again", async () => {
      const seen: string[] = [];
      const answers = [500, 200];
      const api = resilientFetch({
        pipeline: retrying([]).api.pipeline,
        fetch: async (input, init = {}) => {
          const merged = new Request(input, init);
          seen.push(`${merged.method} ${merged.headers.get("x-a")} ${await merged.text()}`);
          return new Response("", { status: answers.shift() as number });
        },
      });
      const request = new Request(url, { method: "PUT", headers: { "x-a": "1" }, body: "kept" });
      expect((await api(request)).status).toBe(200);
      expect(seen).toEqual(["PUT 1 kept", "PUT 1 kept"]);
    });

    it("lets init override the request", async () => {
      const { api, requests } = retrying([status(500)]);
      await api(new Request(url, { method: "PUT", body: "request's" }), { method: "POST", body: "init's" });
      expect(requests).toHaveLength(1);
      expect(requests[0]?.init).toMatchObject({ method: "POST", body: "init's" });
    });

    it("takes a request for init, as fetch does", async () => {
      const sent: string[] = [];
      const api = resilientFetch({
        pipeline: retrying([]).api.pipeline,
        fetch: async (input, init = {}) => {
          sent.push(`${(input as Request).method} ${(input as Request).url} ${await bodyOf(input, init)}`);
          return new Response("");
        },
      });
      await api("https://upstream.example/", new Request(url, { method: "POST", body: "moved" }));
      expect(sent).toEqual(["POST https://upstream.example/ moved"]);
    });

    it("heeds the request's signal, and that of init before it; null is none", async () => {
      const inner = new AbortController();
      const outer = new AbortController();
      const request = () => new Request(url, { signal: inner.signal });
      const overridden = retrying([hangs]);
      const call = watch(overridden.api(request(), { signal: outer.signal }));
      const none = retrying([hangs]);
      const unsignalled = watch(none.api(request(), { signal: null }));
      const own = retrying([hangs]);
      const owned = watch(own.api(request()));
      const reason = new Error("left");
      inner.abort(reason);
      await overridden.clock.settle();
      expect([owned.error, call.state, unsignalled.state]).toEqual([reason, "pending", "pending"]);
      outer.abort(reason);
      await overridden.clock.settle();
      expect(call.error).toBe(reason);
    });
  });

  describe("Retry-After", () => {
    const waiting = (answers: Answer[], totalTimeoutMs: number) => {
      const clock = new TestClock();
      const { fetch, requests } = stubFetch(...answers);
      const wallClock = () => Date.UTC(2026, 9, 21, 7, 0, 0);
      const api = resilientFetch({ fetch, clock, random: new SeededRandom(1), totalTimeoutMs, wallClock });
      return { api, clock, requests };
    };

    it.each([
      ["seconds", "7"],
      ["a date", "Wed, 21 Oct 2026 07:00:07 GMT"],
    ])("is waited for when it is %s", async (_, value) => {
      const { api, clock, requests } = waiting([status(503, { "retry-after": value }), status(200)], 30_000);
      const call = watch(api(url));
      await clock.advance(6999);
      expect(requests).toHaveLength(1);
      await clock.advance(1);
      expect(call.value?.status).toBe(200);
      await call.value?.text();
      expect(clock.pending).toBe(0);
    });

    it("is not waited for when it would pass the total timeout: the last answer is returned at once", async () => {
      const { api, clock } = waiting([status(503, { "retry-after": "5" })], 3000);
      const response = await api(url);
      expect(clock.now()).toBe(0);
      expect(response.status).toBe(503);
      expect(await response.text()).toBe("503");
    });
  });

  describe("bodies of responses", () => {
    it("hold the permit to their end", async () => {
      const feed = feedableResponse();
      const { api, limit, clock } = retrying([feed.response]);
      const response = await api(url);
      expect(limit.inUse).toBe(1);
      const text = watch(response.text());
      feed.close();
      await clock.settle();
      expect(text.state).toBe("fulfilled");
      expect(limit.inUse).toBe(0);
    });

    it("are cancelled when the request is sent again, and give their permit back before", async () => {
      const discarded = feedableResponse({ status: 503 });
      const { api, limit } = retrying([() => discarded.response, status(200)]);
      expect((await api(url)).status).toBe(200);
      expect(discarded.cancelled).toBeDefined();
      expect(limit.inUse).toBe(1);
    });

    it("are not there for HEAD and 204, whose permit is back at once", async () => {
      for (const answer of [new Response(null), new Response(null, { status: 204 })]) {
        const { api, limit } = retrying([() => answer]);
        expect(await api(url, { method: "HEAD" })).toBe(answer);
        expect(limit.inUse).toBe(0);
      }
    });

    it("end with the caller's reason, the server told", async () => {
      const feed = feedableResponse();
      const { api, limit, clock, requests } = retrying([() => feed.response]);
      const controller = new AbortController();
      const response = await api(url, { signal: controller.signal });
      const text = watch(response.text());
      await clock.settle();
      const reason = new Error("left");
      controller.abort(reason);
      await clock.settle();
      expect(text.error).toBe(reason);
      expect(requests[0]?.signal.reason).toBe(reason);
      expect(limit.inUse).toBe(0);
    });

    it("leave no listener on the caller's signal when they have ended", async () => {
      const { signal, count } = listenersOn(new AbortController());
      const { api } = retrying([() => new Response("x")]);
      await (await api(url, { signal })).text();
      await (await api(url, { signal })).text();
      // One for all calls on a signal, for as long as it lives.
      expect(count()).toBe(1);
    });

    it("that somebody reads already are an error, and hold nothing", async () => {
      const read = new Response("x");
      await read.text();
      const { api, limit } = retrying([() => read]);
      expect(await rejectionOf(api(url))).toBeInstanceOf(TypeError);
      expect(limit.inUse).toBe(0);
    });

    it("that fail are told to the observer; the outcome was decided at the headers", async () => {
      const feed = feedableResponse();
      const { api, events, breaker } = retrying([() => feed.response], {}, 1);
      const response = await api(url);
      const broken = new Error("reset");
      feed.fail(broken);
      expect(await rejectionOf(response.text())).toBe(broken);
      expect(events.events).toMatchObject([
        { type: "pipeline.settled", outcome: "success" },
        { type: "resilient-fetch.body-failed", pipeline: "orders", error: broken },
      ]);
      expect(breaker.state).toBe("closed");
    });

    it("that come too late, for an abandoned attempt, are cancelled", async () => {
      const late = feedableResponse();
      let answer: ((response: Response) => void) | undefined;
      const clock = new TestClock();
      const limit = concurrencyLimit({ maxConcurrent: 1, clock });
      const api = resilientFetch({
        pipeline: pipeline({ name: "late", clock }, limit, timeout({ timeoutMs: 10, clock })),
        // A fetch that ignores its signal.
        fetch: () =>
          new Promise((resolve) => {
            answer = resolve;
          }),
      });
      const call = watch(api(url));
      await clock.advance(10);
      expect(call.error).toMatchObject({ code: "ERR_TIMEOUT" });
      expect(limit.inUse).toBe(1);
      answer?.(late.response);
      await clock.settle();
      expect(late.cancelled).toBeDefined();
      expect(limit.inUse).toBe(0);
      expect(clock.pending).toBe(0);
    });
  });

  describe("time", () => {
    const timed = (answers: Answer[], options: ResilientFetchOptions = {}) => {
      const clock = new TestClock();
      const events = new EventRecorder();
      const { fetch, requests } = stubFetch(...answers);
      const { observer } = events;
      const given = { totalTimeoutMs: 1000, headersTimeoutMs: 100, ...options, fetch, clock, observer };
      return { api: resilientFetch(given as ResilientFetchOptions), clock, events, requests };
    };

    it("ends an attempt without headers, and tries again", async () => {
      const { api, clock, requests, events } = timed([hangs, status(200)]);
      const call = watch(api(url));
      await clock.advance(99);
      expect(requests).toHaveLength(1);
      await clock.advance(300);
      expect(call.value?.status).toBe(200);
      expect(requests[0]?.signal.reason).toMatchObject({ code: "ERR_TIMEOUT", scope: "attempt", timeoutMs: 100 });
      expect(events.of("timeout.fired")).toHaveLength(1);
      await call.value?.text();
      expect(clock.pending).toBe(0);
    });

    it("ends the wait for the next attempt at once when the caller leaves", async () => {
      const { api, clock } = timed([status(503, { "retry-after": "500" })], { totalTimeoutMs: 1_000_000 });
      const controller = new AbortController();
      const call = watch(api(url, { signal: controller.signal }));
      await clock.settle();
      expect(clock.pending).toBe(2);
      controller.abort(new Error("left"));
      await clock.settle();
      expect(call.state).toBe("rejected");
      expect(await heldTimers(clock)).toBe(0);
    });

    it("leaves the body alone when the time for the headers is over", async () => {
      const feed = feedableResponse();
      const { api, clock, requests } = timed([feed.response]);
      const text = watch((await api(url)).text());
      await clock.advance(500);
      feed.close();
      await clock.settle();
      expect(text.state).toBe("fulfilled");
      expect(requests[0]?.signal.aborted).toBe(false);
      expect(clock.pending).toBe(0);
    });

    it("ends a body that stands still, and one that takes longer than the call may", async () => {
      const silent = timed([feedableResponse().response], { idleTimeoutMs: 200 });
      const quiet = watch((await silent.api(url)).text());
      await silent.clock.advance(200);
      expect(quiet.error).toMatchObject({ code: "ERR_TIMEOUT", scope: "idle", timeoutMs: 200, pipeline: "fetch" });
      expect(silent.requests[0]?.signal.reason).toBe(quiet.error);

      const slow = timed([feedableResponse().response], { idleTimeoutMs: Number.POSITIVE_INFINITY });
      const endless = watch((await slow.api(url)).text());
      await slow.clock.advance(999);
      expect(endless.state).toBe("pending");
      await slow.clock.advance(1);
      expect(endless.error).toMatchObject({ code: "ERR_TIMEOUT", scope: "total", timeoutMs: 1000 });
      expect(slow.events.of("timeout.fired")).toEqual([
        { type: "timeout.fired", pipeline: "fetch", scope: "total", timeoutMs: 1000 },
      ]);
      expect(slow.events.of("resilient-fetch.body-failed")).toHaveLength(1);
      expect(slow.clock.pending).toBe(0);
    });

    it("counts the total from the start of the call, earlier attempts and back-off included", async () => {
      const retryAfter = { "retry-after": "0" };
      const { api, clock } = timed([hangs, hangs, () => feedableResponse({ headers: retryAfter }).response]);
      const call = watch(api(url));
      await clock.advance(600);
      const text = watch((call.value as Response).text());
      await clock.advance(399);
      expect(text.state).toBe("pending");
      await clock.advance(1);
      expect(text.error).toMatchObject({ scope: "total" });
    });

    it("knows the total timeout inside a fallback, and takes a timeout without a retry for the total", async () => {
      const clock = new TestClock();
      const total = () => timeout({ timeoutMs: 100, clock });
      const attempts = [retry({ clock }), timeout({ timeoutMs: 50, clock })];
      for (const policies of [
        [fallback({ handlers: [() => new Response("else")] }), total(), ...attempts],
        [total()],
      ]) {
        const { fetch } = stubFetch(() => feedableResponse().response);
        const api = resilientFetch({ pipeline: pipeline({ name: "a", clock }, ...policies), fetch });
        const text = watch((await api(url)).text());
        await clock.advance(99);
        expect(text.state).toBe("pending");
        await clock.advance(1);
        expect(text.error).toMatchObject({ scope: "total", timeoutMs: 100 });
      }
      expect(clock.pending).toBe(0);
    });

    it("holds the caller's own deadline to the end of the body", async () => {
      const { api, clock } = timed([feedableResponse().response]);
      await clock.advance(50);
      const text = watch((await api(url, { call: { deadline: 150 } })).text());
      await clock.advance(100);
      expect(text.error).toMatchObject({ code: "ERR_TIMEOUT", scope: "deadline", timeoutMs: 100 });
      expect(clock.pending).toBe(0);
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
        { kind: "concurrency-limit", name: "orders", maxConcurrent: 100 },
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
