// Waits for what happens by itself.
import { setTimeout as delay } from "node:timers/promises";

const LIMIT_MS = 30_000;

/** What `look` gives as soon as that is something. */
export async function eventually(what, look) {
  const untilMs = performance.now() + LIMIT_MS;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (performance.now() > untilMs) throw new Error(`not within ${LIMIT_MS} ms: ${what}`);
    await delay(200);
  }
}
