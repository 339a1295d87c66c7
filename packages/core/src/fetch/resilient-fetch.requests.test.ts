import {
  type Policy,
  circuitBreaker,
  consecutiveFailures,
  constantBackoff,
  pipeline,
  retry,
  timeout,
} from "@headgate/core";
import { resilientFetch } from "@headgate/core/fetch";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { rejectionOf, watch } from "../../test/support/operations.ts";
import { retrying, status, url } from "../../test/support/resilient-fetches.ts";
import { bodyOf, hangs, piecesStream, stubFetch } from "../../test/support/stub-fetch.ts";

describe("resilientFetch: requests", () => {
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
});
