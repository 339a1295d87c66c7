// Routes that answer with what came in.
import { Hono } from "hono";
import { crc32, toHex } from "../crc32.ts";
import type { FlakyEnvironment } from "../environment.ts";
import { MAX_ECHO_BYTES } from "../limits.ts";
import { readBody } from "../read-body.ts";

export function requestRoutes(): Hono<FlakyEnvironment> {
  const app = new Hono<FlakyEnvironment>();

  app.all("/echo", async (c) => {
    const body = await readBody(c.req.raw, { maxBytes: MAX_ECHO_BYTES });
    if (body === undefined) {
      return c.json({ error: `the body must have at most ${MAX_ECHO_BYTES} bytes; /hash takes any size` }, 413);
    }
    const url = new URL(c.req.url);
    return c.json({
      method: c.req.method,
      path: url.pathname,
      // Pairs, because a name may come more than once and order may matter.
      query: [...url.searchParams],
      headers: Object.fromEntries(c.req.raw.headers),
      body: new TextDecoder().decode(body),
      bodyBytes: body.length,
    });
  });

  app.all("/hash", async (c) => {
    let bytes = 0;
    let checksum = 0;
    for await (const chunk of c.req.raw.body ?? []) {
      bytes += chunk.length;
      checksum = crc32(chunk, checksum);
    }
    return c.json({ bytes, crc32: toHex(checksum) });
  });

  return app;
}
