// An upstream that misbehaves on demand. The same application on Node (`node.ts`) and on Workers (`worker.ts`):
// only Web APIs and Hono from here on.
import { Hono } from "hono";
import type { FlakyEnvironment, Settings } from "./environment.ts";
import { checkMs, InvalidInputError } from "./input.ts";
import { ModeState } from "./mode.ts";
import { obeyMode } from "./obey-mode.ts";
import { answerRoutes } from "./routes/answers.ts";
import { bodyRoutes } from "./routes/bodies.ts";
import { modeRoutes } from "./routes/mode.ts";
import { requestRoutes } from "./routes/requests.ts";

export type { FlakyEnvironment } from "./environment.ts";
export type { Mode } from "./mode.ts";
export type { RoomCounts } from "./room.ts";

export interface FlakyOptions {
  /** Chance: a number in [0, 1) a call. @default Math.random */
  readonly random?: () => number;
  /** The longest wait for a place, in milliseconds; then 503. An integer of at least 1. @default 25_000 */
  readonly maxQueueMs?: number;
  /** The longest that a request hangs, in milliseconds; then 504. An integer of at least 1. @default 600_000 */
  readonly maxHangMs?: number;
}

export type Flaky = Hono<FlakyEnvironment>;

/** Makes an upstream with a mode and counts of its own. Throws a `TypeError` if an option is out of range. */
export function createFlaky({
  random = Math.random,
  maxQueueMs = 25_000,
  maxHangMs = 600_000,
}: FlakyOptions = {}): Flaky {
  checkMs("`flaky.maxQueueMs`", maxQueueMs);
  checkMs("`flaky.maxHangMs`", maxHangMs);
  const settings: Settings = { random, maxQueueMs, maxHangMs };
  const state = new ModeState();

  const app = new Hono<FlakyEnvironment>();
  // Before the middleware, so that the mode never stands in the way of changing it.
  app.route("/", modeRoutes(state));
  app.use(obeyMode(state, settings));
  app.get("/", (c) => c.json({ name: "flaky", routes }));
  app.route("/", answerRoutes(settings));
  app.route("/", bodyRoutes());
  app.route("/", requestRoutes());

  app.notFound((c) => c.json({ error: `there is no ${c.req.method} ${c.req.path}: GET / lists the routes` }, 404));
  app.onError((error, c) => {
    if (error instanceof InvalidInputError) return c.json({ error: error.message }, 400);
    // The client left while it was sending; nobody reads the answer.
    if (!c.req.raw.signal.aborted) console.error(error);
    return c.json({ error: "internal error" }, 500);
  });
  return app;
}

/** What `GET /` shows. */
const routes: Readonly<Record<string, string>> = {
  "/status/:code": "answers with that status, 200 to 599",
  "/slow/:ms": "answers after that time",
  "/hang": "never answers",
  "/drop": "resets the connection (Node; 501 elsewhere)",
  "/drip?bytes=10&everyMs=100": "sends one byte at a time",
  "/bytes/:n": "sends n bytes; the byte at index i is i modulo 251",
  "/trailing-error?bytes=1024": "sends some bytes, then breaks the body",
  "/flaky/:ratio": "fails with 503 that often, from 0 to 1",
  "/echo": "answers with the request as JSON",
  "/hash": "answers with the number of bytes sent and their CRC-32",
  "GET /_mode": "shows the mode and the counts",
  "PUT /_mode": "sets the mode for all other routes: { latencyMs, errorRatio, hang, capacity }",
  "DELETE /_mode": "resets the mode and the counts",
};
