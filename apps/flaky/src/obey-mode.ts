// The middleware in front of every route but `/_mode`: a place first, then what the mode imposes, then the route.
import type { Context, MiddlewareHandler } from "hono";
import { answerGone, answerHungTooLong } from "./answers.ts";
import type { FlakyEnvironment, Settings } from "./environment.ts";
import type { ModeState } from "./mode.ts";
import { wait } from "./wait.ts";

export function obeyMode(state: ModeState, settings: Settings): MiddlewareHandler<FlakyEnvironment> {
  return async function obeyMode(c, next) {
    const signal = c.req.raw.signal;
    const place = await state.room.enter(signal, settings.maxQueueMs);
    if (place === "gone") return answerGone();
    if (place === "queue-full") return c.json({ error: "no place: the queue is full" }, 503);
    if (place === "queue-timeout") {
      return c.json({ error: `no place: waited ${settings.maxQueueMs} ms in the queue` }, 503);
    }
    c.set("place", place);
    try {
      const answer = await imposeMode(c, state, settings);
      if (answer !== undefined) return answer;
      await next();
    } finally {
      if (!place.heldByBody) place.leave({ gone: signal.aborted });
    }
  };
}

/** Does to the request what the mode asks for. Without an answer it goes on to its route. */
async function imposeMode(
  c: Context<FlakyEnvironment>,
  state: ModeState,
  { random, maxHangMs }: Settings,
): Promise<Response | undefined> {
  const { hang, latencyMs, errorRatio } = state.mode;
  const delayMs = hang ? maxHangMs : latencyMs;
  if (delayMs > 0) {
    const end = await wait({ ms: delayMs, signal: c.req.raw.signal, waiters: state.held });
    if (end === "aborted") return answerGone();
    if (end === "released") return undefined;
    if (hang) return answerHungTooLong(c, maxHangMs);
  }
  if (errorRatio > 0 && random() < errorRatio) {
    return c.json({ error: `failed on demand: the mode's errorRatio is ${errorRatio}` }, 503);
  }
  return undefined;
}
