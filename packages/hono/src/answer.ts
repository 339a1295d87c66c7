// Answering in the place of the handler. Hono has one response per request, and every handler that ends or fails may write
// it; a handler that was cut off must not take back what its client was told.
import type { HeadgateError } from "@headgate/core";
import type { Context } from "hono";
import { problem } from "./problem.ts";

export interface RespondOptions {
  /** Makes the response to a refusal. @default a problem document: `problem(error)` */
  readonly respond?: ((error: HeadgateError, c: Context) => Response | Promise<Response>) | undefined;
}

/** Fields that belong to one body and would be wrong on another. */
const ofTheBody = /^(content-.*|etag|last-modified|transfer-encoding|accept-ranges)$/;

/** Makes `response` the answer. Fields that other middleware has set so far (CORS, a request's id) stay. */
export function replaceResponse(c: Context, response: Response): void {
  if (!c.finalized) {
    c.res = c.newResponse(response.body, response);
    return;
  }
  const before = c.res;
  const answer = new Response(response.body, response);
  for (const [name, value] of before.headers) {
    if (name === "set-cookie" || (!ofTheBody.test(name) && !answer.headers.has(name)))
      answer.headers.append(name, value);
  }
  discardBody(before);
  write(c, answer);
}

/**
 * Answers a refusal. `c.error` tells middleware further out that the handler is not to blame.
 *
 * @param andThen runs at once after the response was set.
 */
export async function refuse(
  c: Context,
  error: HeadgateError,
  { respond }: RespondOptions,
  andThen?: () => void,
): Promise<void> {
  const response = respond === undefined ? problem(error) : await respond(error, c);
  replaceResponse(c, response);
  c.error = error;
  andThen?.();
}

/** Nobody will read this response. */
export function discardBody(response: Response): void {
  const { body } = response;
  if (body !== null && !body.locked) body.cancel().catch(() => {});
}

/** What a context was answered with while its handler goes on. */
const answered: unique symbol = Symbol("headgate.answered");

interface Answered {
  [answered]?: { status: number };
}

/** Sets the response past what protects it. */
function write(c: Context & Answered, response: Response): void {
  const inherited = Object.getPrototypeOf(c) as object;
  // Hono adds the headers of the response before, unless there is none.
  Reflect.set(inherited, "res", undefined, c);
  Reflect.set(inherited, "res", response, c);
  if (c[answered] !== undefined) c[answered].status = response.status;
}

/**
 * Keeps what was answered while the handler goes on. When it fails at last, Hono would write the error's response over
 * the answer; its body is cancelled instead. Middleware further out may still change the answer, but not its status, by
 * which the two are told apart.
 *
 * @returns ends the protection: the handler has ended.
 */
export function protectAnswer(context: Context): () => void {
  const c: Context & Answered = context;
  const inherited = Object.getPrototypeOf(c) as object;
  const answer = { status: c.res.status };
  c[answered] = answer;
  Object.defineProperty(c, "res", {
    configurable: true,
    get: () => Reflect.get(inherited, "res", c) as unknown,
    set(late: Response | undefined) {
      if (late === undefined || late.status === c[answered]?.status) Reflect.set(inherited, "res", late, c);
      else discardBody(late);
    },
  });
  return () => {
    // A middleware further out may have answered again.
    if (c[answered] !== answer) return;
    delete c[answered];
    Reflect.deleteProperty(c, "res");
  };
}
