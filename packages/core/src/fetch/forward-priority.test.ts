import { constantBackoff, hedge, loadShed, pipeline, priorityClassOf, retry, toPriority } from "@headgate/core";
import { priorityField, readPriority, resilientFetch, type ResilientFetchOptions } from "@headgate/core/fetch";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../../test/support/leftovers.ts";
import { rejectionOf, watch } from "../../test/support/operations.ts";
import { type Answer, hangs, stubFetch } from "../../test/support/stub-fetch.ts";

const url = "https://example.com/";
const critical = toPriority("critical", 9);

function setUp(answers: readonly Answer[], options: ResilientFetchOptions = {}) {
  const { fetch, requests } = stubFetch(...answers);
  const send = resilientFetch({ forwardPriority: true, ...options, fetch });
  const fields = () => requests.map(({ init }) => new Headers(init.headers).get(priorityField));
  return { send, fields, requests };
}

describe("resilientFetch with forwardPriority", () => {
  it("tells the server the class of the call, so that it reads the same", async () => {
    const { send, requests, fields } = setUp([new Response()]);
    const headers = { accept: "text/plain", Priority: "u=7" };
    await send(url, { headers, call: { priority: critical } });
    expect(fields()).toEqual(["u=1"]);
    const sent = new Headers(requests[0]?.init.headers);
    expect(sent.get("accept")).toBe("text/plain");
    expect(priorityClassOf(readPriority(sent, true))).toBe("critical");
    expect(headers.Priority).toBe("u=7");
  });

  it("keeps the fields of a request object", async () => {
    const { send, requests } = setUp([new Response()]);
    await send(new Request(url, { headers: { accept: "text/plain" } }), { call: { priority: 0 } });
    const sent = new Headers(requests[0]?.init.headers);
    expect([sent.get("accept"), sent.get("priority")]).toEqual(["text/plain", "u=3"]);
  });

  it("leaves a request alone whose call has no priority, and every request without the option", async () => {
    const { send, fields } = setUp([new Response()]);
    await send(url, { headers: { priority: "u=2, i" } });
    await send(url);
    expect(fields()).toEqual(["u=2, i", null]);
    const without = setUp([new Response()], { forwardPriority: false });
    await without.send(url, { call: { priority: critical } });
    expect(without.fields()).toEqual([null]);
  });

  it("sends retries and hedges one class lower, beside the deadline", async () => {
    const clock = new TestClock();
    const again = retry({ backoff: constantBackoff({ delayMs: 0 }), clock });
    const policies = pipeline({ name: "api", clock }, again, hedge({ delayMs: 10, clock }));
    const answers = [new Response(null, { status: 500 }), hangs, new Response("quick")];
    const { send, fields, requests } = setUp(answers, { pipeline: policies, forwardDeadline: true });
    const call = watch(send(url, { call: { priority: critical, deadline: clock.now() + 1000 } }));
    await clock.advance(10);
    await clock.settle();
    expect(await call.value?.text()).toBe("quick");
    expect(fields()).toEqual(["u=1", "u=3", "u=3"]);
    const left = requests.map(({ init }) => new Headers(init.headers).get("x-request-timeout-ms"));
    expect(left).toEqual(["990", "990", "980"]);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("serves a load shedder here and the server by the same number", async () => {
    const shed = loadShed({ signals: [{ name: "none", read: () => -1 }] });
    const { send, fields } = setUp([new Response()], { pipeline: pipeline("api", shed) });
    await send(url, { call: { priority: toPriority("sheddable-plus") } });
    expect([shed.admitted, fields()]).toEqual([1, ["u=5"]]);
  });

  it("refuses what is no number before anything is sent, and an option that is no boolean", async () => {
    const { send, requests } = setUp([new Response()]);
    const refusal = await rejectionOf(send(url, { call: { priority: Number.NaN } }));
    expect(refusal).toMatchObject({
      code: "ERR_INVALID_OPTION",
      message: "`resilientFetch.call.priority` must be a number, got NaN",
    });
    expect(requests).toHaveLength(0);
    expect(() => setUp([], { forwardPriority: "yes" as never })).toThrow(
      '`resilientFetch.forwardPriority` must be a boolean, got "yes"',
    );
  });
});
