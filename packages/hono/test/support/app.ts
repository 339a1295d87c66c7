// One application for every runtime, with a way to look at what goes on inside.
import { concurrencyLimit as limitOf, pipeline, timeout as timeoutPolicy } from "@headgate/core";
import { type Context, Hono } from "hono";
import {
  bodyLimit,
  concurrencyLimit,
  deadline,
  health,
  idempotency,
  loadShed,
  memoryIdempotencyStore,
  minDataRate,
  priorityHeaders,
  problem,
  rateLimit,
  remainingHeaders,
  resilience,
  type ResilienceEnv,
  timeout,
} from "../../src/index.ts";
import { untilAborted } from "./handlers.ts";

export interface Counts {
  readonly inUse: number;
  /** Handlers that have begun. */
  readonly begun: readonly string[];
  readonly aborted: readonly string[];
  readonly orders: number;
}

export function createTestApp(): Hono<ResilienceEnv> {
  const app = new Hono<ResilienceEnv>();
  const streams = limitOf({ name: "streams", maxConcurrent: 2, leaseMs: 60_000 });
  const begun: string[] = [];
  const aborted: string[] = [];
  let orders = 0;
  let isEnough = false;
  const noted = (name: string, signal: AbortSignal): void => {
    begun.push(name);
    signal.addEventListener("abort", () => aborted.push(name), { once: true });
  };

  app.onError((error) => problem(error));
  app.use(health({ checks: { fine: () => true } }));
  app.get("/counts", (c) => c.json({ inUse: streams.inUse, begun, aborted, orders } satisfies Counts));

  app.get("/slow", timeout({ timeoutMs: 50 }), (c) => {
    noted("slow", c.var.signal);
    return untilAborted(c);
  });
  app.get("/patient", timeout({ timeoutMs: 60_000 }), (c) => {
    noted("patient", c.var.signal);
    return untilAborted(c);
  });
  app.get("/deadline", deadline({ trusted: true }), (c) => c.json(remainingHeaders(c)));

  const drip = resilience(pipeline("drip", timeoutPolicy({ timeoutMs: 5000 }), streams));
  app.get("/drip", drip, (c) => c.body(dripping(Number(c.req.query("pieces") ?? 1000), () => isEnough)));
  app.get("/enough", (c) => {
    isEnough = true;
    return c.body(null, 204);
  });
  app.get("/queue", concurrencyLimit({ limit: { maxConcurrent: 1, maxQueue: 10, maxWaitMs: 30_000 } }), async (c) => {
    await sleep(20);
    return c.text("fine");
  });

  const full = { name: "full", read: () => 1 };
  const shed = loadShed({ shed: { signals: [full], intervalMs: 1, maxShedRatio: 0.5 }, trusted: true });
  app.get("/shed", shed, (c) => c.json(priorityHeaders(c)));

  const size = async (c: Context) => c.text(String((await c.req.arrayBuffer()).byteLength));
  app.post("/upload", bodyLimit({ maxBytes: 1000 }), minDataRate({ graceMs: 30_000 }), size);
  app.post("/upload/soon", bodyLimit({ maxBytes: 1000 }), minDataRate({ graceMs: 300 }), size);
  app.get("/limited", rateLimit({ limit: { limit: 2, windowMs: 60_000 }, key: () => "" }), (c) => c.text("fine"));
  app.post("/orders", idempotency({ store: memoryIdempotencyStore() }), async (c) => {
    orders++;
    return c.json({ order: orders, got: await c.req.json() }, 201);
  });
  return app;
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** A piece every 10 ms, the last one not before it is enough. */
function dripping(pieces: number, isEnough: () => boolean): ReadableStream<Uint8Array<ArrayBuffer>> {
  let left = pieces;
  return new ReadableStream(
    {
      async pull(controller) {
        if (left-- <= 0) return controller.close();
        await sleep(10);
        if (left === 0) while (!isEnough()) await sleep(10);
        controller.enqueue(new Uint8Array(1000));
      },
    },
    { highWaterMark: 0 },
  );
}
