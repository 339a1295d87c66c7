// Runs what stands behind a middleware as the operation of a pipeline. All middleware that may end a request early goes
// through here, so that they agree on who has answered, whose abort it is, and how long a permit is held.
import { type ExecuteOptions, isHeadgateError, isRefusal, type OperationContext, type Pipeline } from "@headgate/core";
import type { Context, Next } from "hono";
import { discardBody, protectAnswer, refuse, replaceResponse, type RespondOptions } from "./answer.ts";
import { holdUntilBodyEnds } from "./held-body.ts";
import { callerDeadline, callerPriority, callerSignal, type ResilienceEnv } from "./variables.ts";

/** What the pipeline is told of one request. */
export type CallInit = Pick<ExecuteOptions<Response>, "priority" | "key" | "weight">;

export interface ChainSettings extends RespondOptions {
  readonly pipeline: Pipeline;
  /** Whether a policy counts the response's body as work. */
  readonly holdsBody: boolean;
  /** Whether the response says how long the request waited and how long the handler took. @default false */
  readonly serverTiming?: boolean;
  readonly isFailure?: ((response: Response) => boolean) | undefined;
  readonly isOverload?: ((response: Response) => boolean) | undefined;
  readonly call?: ((c: Context) => CallInit) | undefined;
}

type Result = Response | undefined;

/** One request on its way through the rest of the chain. */
class ChainRun {
  readonly settings: ChainSettings;
  readonly c: Context<ResilienceEnv>;
  readonly next: Next;
  state: "waiting" | "running" | "ended" = "waiting";
  /** The handler's response. */
  response: Result = undefined;
  /** What the rest of the chain itself threw, and Hono has made no response of. */
  thrown: { readonly error: unknown } | undefined = undefined;
  /** What it threw, and Hono has made a response of. */
  answered: { readonly error: unknown } | undefined = undefined;
  private readonly beganMs: number;
  private endProtection: (() => void) | undefined = undefined;

  constructor(settings: ChainSettings, c: Context<ResilienceEnv>, next: Next) {
    this.settings = settings;
    this.c = c;
    this.next = next;
    this.beganMs = settings.serverTiming ? settings.pipeline.clock.now() : 0;
  }

  async operation(context: OperationContext): Promise<Result> {
    const { c, settings } = this;
    c.set("signal", context.signal);
    c.set("deadline", context.deadline);
    c.set("resilience", context);
    this.state = "running";
    const startMs = settings.serverTiming ? settings.pipeline.clock.now() : 0;
    try {
      await this.next();
    } catch (error) {
      this.thrown = { error };
      throw error;
    } finally {
      this.state = "ended";
      this.endProtection?.();
    }
    // The call is over: the context's response is another answer, or will be in a moment.
    if (context.signal.aborted) return undefined;
    if (settings.serverTiming) this.tellTiming(startMs, settings.pipeline.clock.now());
    const { res, error } = c;
    if (error !== undefined && this.isBlamedOn(error, res)) {
      this.answered = { error };
      throw error;
    }
    if (settings.holdsBody && res.body !== null) {
      const held = holdUntilBodyEnds(res, context.hold());
      c.res = undefined;
      c.res = held;
    }
    this.response = c.res;
    return this.response;
  }

  /** W3C Server Timing. */
  private tellTiming(startMs: number, endMs: number): void {
    const ms = (duration: number) => Math.max(0, duration).toFixed(1);
    const value = `queue;dur=${ms(startMs - this.beganMs)}, handler;dur=${ms(endMs - startMs)}`;
    this.c.header("server-timing", value, { append: true });
  }

  /** Hono has made a response of an error already. The policies shall see the error where it tells them more. */
  private isBlamedOn(error: unknown, response: Response): boolean {
    if (isRefusal(error)) return true;
    const { isFailure, isOverload } = this.settings;
    return isFailure?.(response) === true && isOverload?.(response) !== true;
  }

  /** Keeps the answer for as long as the handler goes on. */
  protect(): void {
    if (this.state === "running") this.endProtection = protectAnswer(this.c);
  }
}

export async function runChain(
  settings: ChainSettings,
  c: Context<ResilienceEnv>,
  next: Next,
  deadline: number = Number.POSITIVE_INFINITY,
): Promise<void> {
  const { pipeline, isFailure, isOverload, call } = settings;
  const signal = callerSignal(c);
  const until = Math.min(deadline, callerDeadline(c));
  const run = new ChainRun(settings, c, next);
  try {
    const response = await pipeline.execute<Result>((context) => run.operation(context), {
      priority: callerPriority(c),
      ...call?.(c),
      signal,
      deadline: until === Number.POSITIVE_INFINITY ? undefined : until,
      isFailure: isFailure && ((value) => value !== undefined && isFailure(value)),
      // It is asked about errors too.
      isOverload: isOverload && ((value) => value === run.response && isOverload(value as Response)),
      discard: (value) => value && discardBody(value),
    });
    // A fallback has answered.
    if (response !== undefined && response !== c.res) replaceResponse(c, response);
  } catch (error) {
    if (run.answered !== undefined && error === run.answered.error) return;
    if (signal?.aborted && error === signal.reason) return answerNobody(c);
    if (run.thrown !== undefined && error === run.thrown.error) throw error;
    if (!isHeadgateError(error)) throw error;
    // At once: a handler that was cut off may fail at any moment.
    await refuse(c, error, settings, () => run.protect());
  }
}

/** The client has left, or a middleware further out has answered. nginx's status for it shows in logs. */
function answerNobody(c: Context): void {
  if (!c.finalized) c.res = c.newResponse(null, 499 as 400);
}
