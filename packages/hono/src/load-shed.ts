// Turns requests away while there is too much to do, before anything is spent on them, and hands their priority on.
import {
  type LoadShed,
  loadShed as loadShedPolicy,
  type LoadShedOptions as PolicyOptions,
  pipeline,
} from "@headgate/core";
import { formatPriority, priorityField, readPriority } from "@headgate/core/fetch";
import { checkFunction, rejectOption } from "@headgate/core/options";
import type { Context, MiddlewareHandler } from "hono";
import type { RespondOptions } from "./answer.ts";
import { runChain } from "./run-chain.ts";
import { callerPriority, type ResilienceEnv } from "./variables.ts";

export interface LoadShedOptions extends RespondOptions {
  /** The load shedder of `@headgate/core`, or the options to make one of. */
  readonly shed: LoadShed | PolicyOptions;
  /**
   * Whether the `Priority` field of this request is believed. Only callers of one's own should be: browsers send the field
   * with most requests, and anybody could send a better one. Others are of the class `normal`. @default false
   */
  readonly trusted?: boolean | ((c: Context) => boolean);
  /** What the application itself knows, `toPriority("critical")` for one; it goes before the fields. @default the fields' */
  readonly priority?: ((c: Context) => number | undefined) | undefined;
  /** Among whom what can be done is shared fairly: of a verified credential. @default all are one */
  readonly tenant?: ((c: Context) => string | undefined) | undefined;
  /** Requests that are always served, and that no signal is told of. @default those for `/livez` and `/readyz` */
  readonly skip?: (c: Context) => boolean;
}

/**
 * Answers with 503 and `Retry-After` what the load shedder refuses: the lowest class first, and inside a class the tenants that
 * ask for most. The class is that of the request's `Priority` field (RFC 9218) where the caller is trusted, one lower for a
 * retry. `c.get("priority")` has it for the handler, and limits behind this one serve by it. Put it first, after `health()`.
 *
 * @param options what tells of overload, and who is believed and spared.
 * @returns The middleware handler function.
 * @throws {InvalidOptionError} for options out of bounds.
 *
 * @example
 * ```ts
 * app.use(loadShed({ shed: { signals: saturation.signals }, tenant: (c) => c.get("user").tenant }))
 * ```
 */
export function loadShed(options: LoadShedOptions): MiddlewareHandler<ResilienceEnv> {
  const { shed, trusted = false, priority, tenant, skip = isHealthCheck, respond } = options;
  if (typeof shed !== "object" || shed === null)
    rejectOption("loadShed.shed", "a load shedder or the options of one", shed);
  if (typeof trusted !== "boolean" && typeof trusted !== "function")
    rejectOption("loadShed.trusted", "a boolean or a function", trusted);
  if (priority !== undefined) checkFunction("loadShed.priority", priority);
  if (tenant !== undefined) checkFunction("loadShed.tenant", tenant);
  checkFunction("loadShed.skip", skip);
  if (respond !== undefined) checkFunction("loadShed.respond", respond);
  const policy = "kind" in shed ? shed : loadShedPolicy(shed);
  const call = (c: Context) => ({ key: tenant?.(c) });
  const settings = { pipeline: pipeline("load-shed", policy), holdsBody: false, call, respond };
  return async function loadShed(c, next) {
    if (skip(c)) return next();
    const believed = typeof trusted === "function" ? trusted(c) : trusted;
    c.set("priority", priority?.(c) ?? readPriority(c.req.raw.headers, believed));
    await runChain(settings, c, next);
  };
}

/**
 * The field that tells the next service how much this request matters; none without a priority. For a `fetch` in a handler behind
 * `loadShed()`.
 *
 * @param attempt which attempt the request belongs to: from the second on it goes one class lower, so that a retry takes nobody's
 * first attempt's place. @default 1
 */
export function priorityHeaders(c: Context, attempt = 1): Record<string, string> {
  const priority = callerPriority(c as Context<ResilienceEnv>);
  if (priority === undefined) return {};
  return { [priorityField]: formatPriority(priority, attempt) };
}

const isHealthCheck = ({ req }: Context): boolean => req.path === "/livez" || req.path === "/readyz";
