// Answers that several routes give.
import type { Context } from "hono";

/** Nobody reads this one: the client has left. 499 is what proxies log for that. */
export function answerGone(): Response {
  return new Response(null, { status: 499 });
}

/** Even a request that hangs owns a limit. */
export function answerHungTooLong(c: Context, maxHangMs: number): Response {
  return c.json({ error: `hung for ${maxHangMs} ms, the longest this server keeps a request` }, 504);
}
