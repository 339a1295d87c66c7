import {
  circuitBreaker,
  consecutiveFailures,
  constantBackoff,
  hedge,
  loadBalance,
  pipeline,
  retry,
} from "@headgate/core";
import { resilientFetch, type ResilientFetchOptions } from "@headgate/core/fetch";
import { SeededRandom, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { itRefuses } from "../../test/support/options.ts";
import { heldTimers } from "../../test/support/leftovers.ts";
import { rejectionOf, watch } from "../../test/support/operations.ts";
import { type Answer, hangs, piecesStream, stubFetch } from "../../test/support/stub-fetch.ts";

const failed = () => new Response(null, { status: 500 });
const fine = () => new Response("fine");

/** What is sent with a retry in front of these endpoints, which are as good as each other. */
function setUp(bases: readonly (string | URL)[], ...answers: Answer[]) {
  const clock = new TestClock();
  const endpoints = loadBalance({ endpoints: bases, random: new SeededRandom(3), clock });
  const again = retry({ backoff: constantBackoff({ delayMs: 0 }), clock });
  const { fetch, requests } = stubFetch(...answers);
  const send = resilientFetch({ endpoints, pipeline: pipeline({ name: "api", clock }, again, endpoints), fetch });
  return { clock, endpoints, send, requests, urls: () => requests.map(({ url }) => url) };
}

describe("resilientFetch with endpoints", () => {
  it.each<[string, string | URL, string | URL, string]>([
    ["a path", "https://a.example", "/orders/17?full=1", "https://a.example/orders/17?full=1"],
    ["a path without a slash", "https://a.example", "orders/17", "https://a.example/orders/17"],
    ["a base with a path", "https://a.example/v1/", "/orders", "https://a.example/v1/orders"],
    [
      "a host that stands for all",
      "http://a.example:8080",
      "https://orders.example/17#top",
      "http://a.example:8080/17",
    ],
    ["a URL", new URL("https://a.example"), new URL("https://orders.example/17"), "https://a.example/17"],
    ["a host without a scheme", "https://a.example", "//elsewhere.example/17", "https://a.example/17"],
    ["a way out of the base", "https://a.example/v1", "/../%2e%2e/admin", "https://a.example/v1/admin"],
  ])("puts the endpoint in the place of the origin: %s", async (_what, base, input, expected) => {
    const { send, urls } = setUp([base], fine);
    await send(input);
    expect(urls()).toEqual([expected]);
  });

  it("sends a retry to another endpoint, and takes one out of use that fails in a row", async () => {
    const bases = ["https://a.example", "https://b.example"];
    const down: Answer = ({ url }) => (url.startsWith("https://a") ? failed() : fine());
    const { send, endpoints, requests } = setUp(bases, down);
    for (let i = 0; i < 200; i++) expect((await send("/17")).status).toBe(200);
    const [a, b] = endpoints.snapshot();
    expect([a?.state, b?.state]).toEqual(["ejected", "healthy"]);
    expect(a?.picked).toBe(requests.length - 200);
    expect(a?.picked).toBeGreaterThan(0);
  });

  it("sends a hedge to another endpoint", async () => {
    const clock = new TestClock();
    const endpoints = loadBalance({ endpoints: ["https://a.example", "https://b.example"], clock });
    const { fetch, requests } = stubFetch(hangs, fine);
    const policies = pipeline({ name: "api", clock }, hedge({ delayMs: 10, clock }), endpoints);
    const call = watch(resilientFetch({ endpoints, pipeline: policies, fetch })("/17"));
    await clock.advance(10);
    await clock.settle();
    expect(await call.value?.text()).toBe("fine");
    expect(requests.map(({ url }) => url).toSorted()).toEqual(["https://a.example/17", "https://b.example/17"]);
    await clock.settle();
    expect(endpoints.snapshot().map(({ inFlight }) => inFlight)).toEqual([0, 0]);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("counts a call as under way at its endpoint until its body has been read", async () => {
    const { send, endpoints } = setUp(["https://a.example"], fine);
    const response = await send("/");
    expect(endpoints.snapshot()[0]?.inFlight).toBe(1);
    await response.text();
    expect(endpoints.snapshot()[0]?.inFlight).toBe(0);
  });

  it("sends a request object again, with its method, fields and body", async () => {
    const bases = ["https://a.example", "https://b.example"];
    const bodies: string[] = [];
    const { send, requests, urls } = setUp(bases, async ({ url, init }) => {
      // The host itself takes what it is given.
      bodies.push(await new Request(url, init).text());
      return bodies.length === 1 ? failed() : fine();
    });
    const { stream } = piecesStream("or", "der");
    const headers = { "content-type": "text/plain" };
    const init: RequestInit & { duplex: "half" } = { method: "PUT", headers, body: stream, duplex: "half" };
    await send(new Request("https://orders.example/17?a=b", init), { signal: undefined as unknown as null });
    expect(urls().toSorted()).toEqual(["https://a.example/17?a=b", "https://b.example/17?a=b"]);
    expect(bodies).toEqual(["order", "order"]);
    for (const { init: sent } of requests)
      expect([sent.method, new Headers(sent.headers).get("content-type")]).toEqual(["PUT", "text/plain"]);
  });

  it("heeds the signal of a request object, and what `init` says against it", async () => {
    const { send, requests } = setUp(["https://a.example"], hangs);
    const leaves = new AbortController();
    const request = new Request("https://orders.example/", { signal: leaves.signal });
    const refusal = rejectionOf(send(request, { method: "DELETE" }));
    const left = new Error("left");
    leaves.abort(left);
    expect(await refusal).toBe(left);
    expect(requests.map(({ init }) => init.method)).toEqual(["DELETE"]);
  });

  it("takes a request object in the place of `init`", async () => {
    const { send, urls, requests } = setUp(["https://a.example"], fine);
    await send("/18", new Request("https://orders.example/17", { method: "DELETE" }));
    expect([urls(), requests[0]?.init.method]).toEqual([["https://a.example/18"], "DELETE"]);
  });

  it("goes by a list that has changed", async () => {
    const { send, endpoints, urls } = setUp(["https://a.example"], fine);
    await send("/1");
    endpoints.update(["https://c.example"]);
    await send("/2");
    expect(urls()).toEqual(["https://a.example/1", "https://c.example/2"]);
  });

  it("stands behind the breaker and the limit in the pipeline that is built", async () => {
    const endpoints = loadBalance({ endpoints: ["https://a.example"] });
    const { fetch, requests } = stubFetch(fine);
    const send = resilientFetch({ endpoints, fetch });
    await (await send("/17")).text();
    expect(requests.map(({ url }) => url)).toEqual(["https://a.example/17"]);
    expect(send.pipeline.policies.map(({ kind }) => kind)).toEqual([
      "timeout",
      "retry",
      "circuit-breaker",
      "concurrency-limit",
      "load-balance",
      "timeout",
    ]);
  });

  it("refuses a request that has no endpoints before any policy hears of it", async () => {
    const clock = new TestClock();
    const endpoints = loadBalance({ endpoints: ["https://a.example"] });
    const breaker = circuitBreaker({ trip: consecutiveFailures({ maxFailures: 1 }), clock });
    const { fetch, requests } = stubFetch(fine);
    const send = resilientFetch({ endpoints, pipeline: pipeline({ name: "api", clock }, breaker, endpoints), fetch });
    const refusal = await rejectionOf(send("data:text/plain,17"));
    expect(refusal).toBeInstanceOf(TypeError);
    expect(refusal).toMatchObject({ message: "Only http and https have endpoints, got data:" });
    expect([requests.length, breaker.state]).toEqual([0, "closed"]);
  });

  const over = (...endpoints: unknown[]) => loadBalance({ endpoints }) as ResilientFetchOptions["endpoints"];
  const bases =
    "`resilientFetch.endpoints` must be a loadBalance() of http or https URLs without a query, a fragment or credentials";
  itRefuses(
    [
      () => resilientFetch({ endpoints: ["https://a.example"] as never }),
      "`resilientFetch.endpoints` must be made by loadBalance(), got an array",
    ],
    [() => resilientFetch({ endpoints: over("/v1") }), `${bases}, got "/v1"`],
    [() => resilientFetch({ endpoints: over("ftp://a.example") }), `${bases}, got "ftp://a.example"`],
    [() => resilientFetch({ endpoints: over("https://a.example?x") }), `${bases}, got "https://a.example?x"`],
    [() => resilientFetch({ endpoints: over("https://me@a.example") }), `${bases}, got "https://me@a.example"`],
    [() => resilientFetch({ endpoints: over({ host: "a" }) }), `${bases}, got "#0"`],
    [
      () => resilientFetch({ endpoints: over("https://a.example"), pipeline: pipeline("api") }),
      '`resilientFetch.endpoints` must be one of the policies of `resilientFetch.pipeline`, got "default"',
    ],
  );
});
