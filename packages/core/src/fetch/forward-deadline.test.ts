import { pipeline, timeout } from "@headgate/core";
import { type ForwardDeadlineOptions, resilientFetch } from "@headgate/core/fetch";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { watch } from "../../test/support/operations.ts";
import { status, url } from "../../test/support/resilient-fetches.ts";
import { hangs, stubFetch, type Answer, type SeenRequest } from "../../test/support/stub-fetch.ts";

function telling(answers: Answer[], forwardDeadline: boolean | ForwardDeadlineOptions) {
  const clock = new TestClock();
  const { fetch, requests } = stubFetch(...answers);
  const times = { totalTimeoutMs: 1000, headersTimeoutMs: 400 };
  const api = resilientFetch({ fetch, clock, ...times, forwardDeadline, random: { next: () => 0 } });
  return { api, clock, requests };
}

const told = ({ init }: SeenRequest, name = "x-request-timeout-ms") => new Headers(init.headers).get(name);

describe("resilientFetch.forwardDeadline", () => {
  it("tells each attempt what is left for it, less the margin", async () => {
    const { api, clock, requests } = telling([hangs, hangs, status(200)], true);
    const call = watch(api(url));
    await clock.advance(400);
    await clock.advance(400);
    expect(call.value?.status).toBe(200);
    expect(requests.map((request) => told(request))).toEqual(["390", "390", "190"]);
    await call.value?.text();
  });

  it("writes the field that it is told, in its own form, in the place of what was there", async () => {
    const { api, requests } = telling([status(200)], { header: "Grpc-Timeout", marginMs: 0 });
    await (await api(url, { headers: { "grpc-timeout": "9S", "x-kept": "1" } })).text();
    await (await api(new Request(url, { headers: { "grpc-timeout": "9S", "x-kept": "1" } }))).text();
    for (const request of requests) {
      expect(told(request, "grpc-timeout")).toBe("400m");
      expect(told(request, "x-kept")).toBe("1");
    }
  });

  it("says nothing without a deadline or when not asked to, and never less than 1 ms", async () => {
    const { fetch, requests } = stubFetch(status(200));
    const clock = new TestClock();
    const free = resilientFetch({ fetch, pipeline: pipeline("free"), forwardDeadline: true });
    const quiet = resilientFetch({ fetch, clock });
    const short = pipeline({ name: "short", clock }, timeout({ timeoutMs: 5, clock }));
    const hurried = resilientFetch({ fetch, pipeline: short, forwardDeadline: true });
    for (const api of [free, quiet, hurried]) await (await api(url)).text();
    expect(requests.map((request) => told(request))).toEqual([null, null, "1"]);
  });

  it("names an option that is out of bounds", () => {
    const make = (forwardDeadline: unknown) => () =>
      resilientFetch({ forwardDeadline: forwardDeadline as ForwardDeadlineOptions });
    expect(make("yes")).toThrow("`resilientFetch.forwardDeadline` must be a boolean or an object");
    expect(make({ header: "a b" })).toThrow(
      "`resilientFetch.forwardDeadline.header` must be the name of a header field",
    );
    expect(make({ marginMs: -1 })).toThrow("`resilientFetch.forwardDeadline.marginMs` must be a number of at least 0");
  });
});
