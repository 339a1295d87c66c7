import { pipeline } from "@headgate/core";
import { SeededRandom } from "@headgate/core/testing";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { loadShed, type LoadShedOptions } from "./load-shed.ts";
import { resilience } from "./resilience.ts";

function appOf(options: LoadShedOptions) {
  const app = new Hono();
  app.use(loadShed(options));
  app.all("*", (c) => c.text("fine"));
  return app;
}

const shares = async (pressure: number): Promise<number> => {
  const app = appOf({ pressure: () => pressure, random: new SeededRandom(7) });
  const all = await Promise.all(Array.from({ length: 1000 }, async () => app.request("/")));
  return all.filter(({ status }) => status === 503).length;
};

describe("loadShed", () => {
  it("turns away the share of requests that the pressure says", async () => {
    expect(await shares(0)).toBe(0);
    expect(await shares(-1)).toBe(0);
    expect(await shares(Number.NaN)).toBe(0);
    expect(await shares(1)).toBe(1000);
    expect(await shares(7)).toBe(1000);
    expect(Math.abs((await shares(0.3)) - 300)).toBeLessThan(60);
  });

  it("asks to come back after one to three seconds, not all at once", async () => {
    const app = appOf({ pressure: () => 1, random: new SeededRandom(7) });
    const all = await Promise.all(Array.from({ length: 200 }, async () => app.request("/")));
    const seconds = new Set(all.map(({ headers }) => headers.get("retry-after")));
    expect(seconds).toEqual(new Set(["1", "2", "3"]));
    const soon = appOf({ pressure: () => 1, minRetryAfterMs: 500, maxRetryAfterMs: 1000 });
    expect((await soon.request("/")).headers.get("retry-after")).toBe("1");
  });

  it("answers with the registered problem type", async () => {
    const response = await appOf({ pressure: () => 1 }).request("/");
    expect(await response.json()).toEqual({
      type: "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity",
      title: "Temporarily reduced capacity",
      status: 503,
      detail: "The service is overloaded and turns part of the requests away.",
      code: "ERR_LOAD_SHED",
      policy: "load-shed",
    });
  });

  it("serves health checks, or whom it is told to spare", async () => {
    const app = appOf({ pressure: () => 1 });
    expect((await app.request("/livez")).status).toBe(200);
    expect((await app.request("/readyz")).status).toBe(200);
    const spares = appOf({ pressure: () => 1, skip: (c) => c.req.header("x-vip") === "1" });
    expect((await spares.request("/", { headers: { "x-vip": "1" } })).status).toBe(200);
    expect((await spares.request("/livez")).status).toBe(503);
  });

  it("is no failure to a pipeline further out", async () => {
    const seen: unknown[] = [];
    const guarded = pipeline({ name: "all", observer: (event) => seen.push(event) });
    const app = new Hono();
    app.use(resilience(guarded), loadShed({ pressure: () => 1 }));
    expect((await app.request("/")).status).toBe(503);
    expect(seen).toMatchObject([{ type: "pipeline.settled", outcome: "ignored" }]);
  });

  it("names an option that is out of bounds", () => {
    expect(() => loadShed({} as never)).toThrow("`loadShed.pressure` must be a function");
    expect(() => loadShed({ pressure: () => 0, minRetryAfterMs: 5000 })).toThrow("`loadShed.maxRetryAfterMs`");
  });
});
