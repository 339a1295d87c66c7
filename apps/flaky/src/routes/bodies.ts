// Routes about the body of the answer: large, slow or broken.
import { type Context, Hono } from "hono";
import { bodyStream, type NextChunk } from "../body-stream.ts";
import type { FlakyEnvironment } from "../environment.ts";
import { type IntegerBounds, toInteger } from "../input.ts";
import { MAX_PAUSE_MS, MAX_SLOW_BYTES, MAX_STREAM_BYTES } from "../limits.ts";
import { patternBytes } from "../pattern.ts";
import { wait } from "../wait.ts";

const CHUNK_BYTES = 65_536;

/** Time for the bytes before a break to reach the client. Without it the server may fail before the status line. */
const BREAK_AFTER_MS = 20;

export function bodyRoutes(): Hono<FlakyEnvironment> {
  const app = new Hono<FlakyEnvironment>();

  app.all("/bytes/:n", (c) => {
    const total = toInteger("`n` in /bytes/:n", c.req.param("n"), { min: 0, max: MAX_STREAM_BYTES });
    return binary(c, pattern(total, CHUNK_BYTES), { "content-length": String(total) });
  });

  app.all("/drip", (c) => {
    const total = queryInteger(c, "bytes", 10, { min: 0, max: MAX_SLOW_BYTES });
    const ms = queryInteger(c, "everyMs", 100, { min: 0, max: MAX_PAUSE_MS });
    const next = pattern(total, 1);
    return binary(c, async (signal) => {
      const chunk = next();
      if (chunk !== undefined) await wait({ ms, signal });
      return chunk;
    });
  });

  app.all("/trailing-error", (c) => {
    const total = queryInteger(c, "bytes", 1024, { min: 0, max: MAX_SLOW_BYTES });
    const next = pattern(total, CHUNK_BYTES);
    return binary(c, async (signal) => {
      const chunk = next();
      if (chunk !== undefined) return chunk;
      await wait({ ms: BREAK_AFTER_MS, signal });
      throw brokenOnDemand();
    });
  });

  return app;
}

/** The pattern's first `total` bytes, a chunk a call. */
function pattern(total: number, chunkBytes: number): () => Uint8Array | undefined {
  let sent = 0;
  return () => {
    if (sent === total) return undefined;
    const chunk = patternBytes(sent, Math.min(chunkBytes, total - sent));
    sent += chunk.length;
    return chunk;
  };
}

function binary(c: Context<FlakyEnvironment>, next: NextChunk, headers?: Record<string, string>): Response {
  return new Response(bodyStream(c, next), { headers: { "content-type": "application/octet-stream", ...headers } });
}

function queryInteger(c: Context<FlakyEnvironment>, name: string, otherwise: number, bounds: IntegerBounds): number {
  const text = c.req.query(name);
  return text === undefined ? otherwise : toInteger(`\`${name}\` in the query of ${c.req.path}`, text, bounds);
}

/** The server prints this error; it is asked for, so one line without a stack will do. */
function brokenOnDemand(): Error {
  const error = new Error("the body breaks here, on demand");
  error.stack = String(error);
  return error;
}
