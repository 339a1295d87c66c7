import { concurrencyLimit, hedge, pipeline, retry, retryBudget, timeout } from "@headgate/core";
import { resilientFetch } from "@headgate/core/fetch";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../../test/support/leftovers.ts";
import { watch } from "../../test/support/operations.ts";
import { type Answer, feedableResponse, hangs, piecesStream, stubFetch } from "../../test/support/stub-fetch.ts";

const url = "https://example.com/";

function setUp(...answers: Answer[]) {
  const clock = new TestClock();
  const budget = retryBudget({ clock });
  const limit = concurrencyLimit({ maxConcurrent: 9, clock });
  const beside = hedge({ delayMs: 10, budget, clock });
  const policies = [timeout({ timeoutMs: 1000, clock }), retry({ budget, clock }), beside, limit];
  const stub = stubFetch(...answers);
  const send = resilientFetch({
    fetch: stub.fetch,
    pipeline: pipeline({ name: "hedged", clock }, ...policies),
    idleTimeoutMs: Number.POSITIVE_INFINITY,
  });
  return { clock, budget, limit, beside, send, requests: stub.requests };
}

describe("resilientFetch with a hedge", () => {
  it("answers with the quicker request, and ends the other", async () => {
    const { clock, send, requests, limit, budget } = setUp(hangs, () => new Response("quick"));
    const call = watch(send(url));
    await clock.advance(10);
    await clock.settle();
    expect(await call.value?.text()).toBe("quick");
    expect(requests).toHaveLength(2);
    expect(requests[0]?.signal.reason).toMatchObject({ code: "ERR_SUPERSEDED" });
    expect(requests[1]?.signal.aborted).toBe(false);
    await clock.settle();
    expect([limit.inUse, budget.callsInFlight, budget.retriesInFlight]).toEqual([0, 0, 0]);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("keeps the winner's permit until its body has ended, and the time of the call counts on", async () => {
    const { response, send: feed } = feedableResponse();
    const { clock, send, limit } = setUp(hangs, () => response);
    const call = watch(send(url));
    await clock.advance(10);
    expect(limit.inUse).toBe(1);
    const text = watch((call.value as Response).text());
    feed("some of it");
    await clock.advance(990);
    expect(text.error).toMatchObject({ code: "ERR_TIMEOUT", scope: "total" });
    await clock.settle();
    expect(limit.inUse).toBe(0);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("gives up the body of a response that comes late", async () => {
    const late = feedableResponse();
    const { clock, send, limit } = setUp(
      async () => {
        await clock.sleep(50);
        return late.response;
      },
      () => new Response("quick"),
    );
    const call = watch(send(url));
    await clock.advance(10);
    expect([call.state, limit.inUse]).toEqual(["fulfilled", 2]);
    await clock.advance(50);
    expect([late.cancelled !== undefined, limit.inUse]).toEqual([true, 1]);
    await call.value?.text();
    await clock.settle();
    expect(limit.inUse).toBe(0);
  });

  it("sends nothing twice that must not be, and no stream while it is being sent", async () => {
    const { clock, send, requests, budget } = setUp(hangs);
    const controller = new AbortController();
    const { signal } = controller;
    watch(send(url, { method: "POST", body: "order", signal }));
    const streamed = { method: "PUT", body: piecesStream("a", "b").stream, signal, duplex: "half" };
    watch(send(url, streamed));
    await clock.advance(100);
    expect(requests).toHaveLength(2);
    // A stream may be sent again when it has failed, and so is counted by the retry.
    expect(budget.callsInFlight).toBe(1);
    watch(send(url, { method: "PUT", body: "text", signal }));
    await clock.advance(10);
    expect(requests).toHaveLength(4);
    controller.abort();
    expect(budget.callsInFlight).toBe(0);
    expect(await heldTimers(clock)).toBe(0);
  });
});
