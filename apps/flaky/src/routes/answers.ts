// Routes about whether, when and with which status an answer comes.
import { Hono } from "hono";
import { answerGone, answerHungTooLong } from "../answers.ts";
import type { FlakyEnvironment, Settings } from "../environment.ts";
import { toInteger, toRatio } from "../input.ts";
import { MAX_WAIT_MS } from "../limits.ts";
import { wait } from "../wait.ts";

/** Statuses whose answers have no body. */
const nullBodyStatuses: ReadonlySet<number> = new Set([204, 205, 304]);

export function answerRoutes({ random, maxHangMs }: Settings): Hono<FlakyEnvironment> {
  const app = new Hono<FlakyEnvironment>();

  app.all("/status/:code", (c) => {
    const status = toInteger("`code` in /status/:code", c.req.param("code"), { min: 200, max: 599 });
    if (nullBodyStatuses.has(status)) return new Response(null, { status });
    return Response.json({ status }, { status });
  });

  app.all("/slow/:ms", async (c) => {
    const ms = toInteger("`ms` in /slow/:ms", c.req.param("ms"), { min: 0, max: MAX_WAIT_MS });
    const end = await wait({ ms, signal: c.req.raw.signal });
    return end === "aborted" ? answerGone() : c.json({ waitedMs: ms });
  });

  app.all("/hang", async (c) => {
    const end = await wait({ ms: maxHangMs, signal: c.req.raw.signal });
    return end === "aborted" ? answerGone() : answerHungTooLong(c, maxHangMs);
  });

  app.all("/drop", (c) => {
    const socket = c.env?.incoming?.socket;
    if (socket === undefined) return c.json({ error: "this runtime gives no access to the connection" }, 501);
    // A reset where the socket can send one (TCP), an abrupt end where it cannot.
    if (socket.resetAndDestroy === undefined) socket.destroy();
    else socket.resetAndDestroy();
    return answerGone();
  });

  app.all("/flaky/:ratio", (c) => {
    const ratio = toRatio("`ratio` in /flaky/:ratio", c.req.param("ratio"));
    if (random() < ratio) return c.json({ error: `failed on demand: the ratio is ${ratio}` }, 503);
    return c.json({ ok: true });
  });

  return app;
}
