// `/_mode`: sets, shows and resets how the other routes misbehave. Never affected by the mode itself.
import { Hono } from "hono";
import type { FlakyEnvironment } from "../environment.ts";
import { MAX_MODE_BYTES } from "../limits.ts";
import { type ModeState, parseMode } from "../mode.ts";
import { readBody } from "../read-body.ts";

export function modeRoutes(state: ModeState): Hono<FlakyEnvironment> {
  const app = new Hono<FlakyEnvironment>();
  app.get("/_mode", (c) => c.json(state.report()));
  app.put("/_mode", async (c) => {
    const body = await readBody(c.req.raw, { maxBytes: MAX_MODE_BYTES });
    if (body === undefined) return c.json({ error: `the mode must have at most ${MAX_MODE_BYTES} bytes` }, 413);
    state.replace(parseMode(new TextDecoder().decode(body)));
    return c.json(state.report());
  });
  app.delete("/_mode", (c) => {
    state.reset();
    return c.json(state.report());
  });
  app.all("/_mode", (c) =>
    c.json({ error: `${c.req.method} is not for /_mode: use GET, PUT or DELETE` }, 405, { allow: "GET, PUT, DELETE" }),
  );
  return app;
}
