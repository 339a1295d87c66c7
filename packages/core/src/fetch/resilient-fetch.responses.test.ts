import { concurrencyLimit, fallback, pipeline, retry, timeout } from "@headgate/core";
import { type ResilientFetchOptions, resilientFetch } from "@headgate/core/fetch";
import { EventRecorder, SeededRandom, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../../test/support/leftovers.ts";
import { listenersOn } from "../../test/support/listeners.ts";
import { rejectionOf, watch } from "../../test/support/operations.ts";
import { retrying, status, url } from "../../test/support/resilient-fetches.ts";
import { type Answer, feedableResponse, hangs, stubFetch } from "../../test/support/stub-fetch.ts";

describe("resilientFetch: responses", () => {
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
});
