// A bound on the size of request bodies.
import { ByteLimitError, limitBytes } from "@headgate/core/streams";
import type { MiddlewareHandler } from "hono";
import { refuse, type RespondOptions } from "./answer.ts";
import { checkFunction, checkInteger } from "@headgate/core/options";
import { guardBody } from "./request-body.ts";

export interface BodyLimitOptions extends RespondOptions {
  /** Bytes in all. An integer of at least 0. @default 1048576 */
  readonly maxBytes?: number;
}

/**
 * Answers a request whose body is too large with 413: at once where `Content-Length` says so, otherwise as soon as too much
 * has come. Nothing is kept back: the handler reads the body as it comes, where Hono's own `bodyLimit` collects a body
 * of unknown length first.
 *
 * @param options how large a body may be.
 * @returns The middleware handler function.
 * @throws {InvalidOptionError} for options out of bounds.
 *
 * @example
 * ```ts
 * app.post("/upload", bodyLimit({ maxBytes: 50 * 1024 }), async (c) => c.json(await c.req.json()))
 * ```
 */
export function bodyLimit(options: BodyLimitOptions = {}): MiddlewareHandler {
  const { maxBytes = 1_048_576, respond } = options;
  checkInteger("bodyLimit.maxBytes", maxBytes, 0);
  if (respond !== undefined) checkFunction("bodyLimit.respond", respond);
  return async function bodyLimit(c, next) {
    const length = c.req.header("content-length");
    const announced = length !== undefined && c.req.header("transfer-encoding") === undefined ? Number(length) : 0;
    if (announced > maxBytes) await refuse(c, new ByteLimitError(maxBytes, announced), { respond });
    else await guardBody(c, next, (body) => limitBytes(body, { maxBytes }), { respond });
  };
}
