import { TestClock } from "@headgate/core/testing";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { codeOf, streamed } from "../test/support/handlers.ts";
import { bodyLimit } from "./body-limit.ts";
import { minDataRate } from "./min-data-rate.ts";

/** Bytes that come one after the other, each after a while on this clock. */
function drip(
  clock: TestClock,
  everyMs: number,
  bytes: number,
  count: number,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let sent = 0;
  return new ReadableStream(
    {
      async pull(controller) {
        if (sent++ >= count) return controller.close();
        await clock.sleep(everyMs);
        controller.enqueue(new Uint8Array(bytes));
      },
    },
    { highWaterMark: 0 },
  );
}

function appOf(clock: TestClock, workMs = 0) {
  const app = new Hono();
  app.use(minDataRate({ clock }));
  app.post("/", async (c) => {
    let bytes = 0;
    const reader = c.req.raw.body?.getReader();
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true };
      if (done || value === undefined) return c.text(String(bytes));
      bytes += value.byteLength;
      if (workMs > 0) await clock.sleep(workMs);
    }
  });
  app.onError((_, c) => c.text("broken", 500));
  return app;
}

describe("minDataRate", () => {
  it("ends a body that drips with 408 and the connection", async () => {
    const clock = new TestClock();
    const asked = appOf(clock).request(streamed(drip(clock, 1000, 1, 100)));
    await clock.advance(5100);
    const response = await asked;
    expect(response.status).toBe(408);
    expect(response.headers.get("connection")).toBe("close");
    expect(await response.json()).toEqual({
      type: "urn:headgate:problem:min-rate",
      title: "Body too slow",
      status: 408,
      detail: "The body came more slowly than 240 bytes per second.",
      code: "ERR_MIN_RATE",
    });
  });

  it("lets an honest body take as long as it takes", async () => {
    const clock = new TestClock();
    const asked = appOf(clock).request(streamed(drip(clock, 1000, 300, 30)));
    await clock.advance(31_000);
    expect(await (await asked).text()).toBe("9000");
    expect(clock.pending).toBe(0);
  });

  it("does not hold a slow handler against the client", async () => {
    const clock = new TestClock();
    const asked = appOf(clock, 10_000).request(streamed(drip(clock, 100, 10, 5)));
    await clock.advance(60_000);
    expect(await (await asked).text()).toBe("50");
  });

  it("works together with bodyLimit", async () => {
    const clock = new TestClock();
    const app = new Hono();
    app.use(bodyLimit({ maxBytes: 100 }), minDataRate({ clock, graceMs: 1000 }));
    app.post("/", async (c) => c.text(await c.req.text()));
    app.onError((error, c) => c.text(error.message, 500));
    const large = app.request(streamed(drip(clock, 1, 60, 2)));
    await clock.advance(10);
    expect(await codeOf(await large)).toBe("ERR_BYTE_LIMIT");
    const slow = app.request(streamed(drip(clock, 2000, 60, 2)));
    await clock.advance(3000);
    expect(await codeOf(await slow)).toBe("ERR_MIN_RATE");
  });

  it("names an option that is out of bounds", () => {
    expect(() => minDataRate({ bytesPerSecond: 0 })).toThrow("`minDataRate.bytesPerSecond` must be a number above 0");
    expect(() => minDataRate({ graceMs: -1 })).toThrow("`minDataRate.graceMs`");
  });
});
