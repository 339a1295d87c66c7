// Spans of calls and of their attempts, on whatever tracer provider there is. Only `@opentelemetry/api` is needed; without an
// SDK behind it nobody records, and a call costs one look at its context more.
import { type Call, isRefusal, type Operation, type OperationContext, type Tracer } from "@headgate/core";
import {
  type Context,
  context,
  createContextKey,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type TracerProvider,
} from "@opentelemetry/api";
import { errorType, pipelineName, pipelineOutcome } from "../definitions.ts";
import { ErrorTypes, hasFallenBack, outcomes, type PipelineOutcome } from "../error-types.ts";

export interface CreateTracerOptions {
  /** Who makes the spans. @default the provider that is registered with the API */
  readonly tracerProvider?: TracerProvider | undefined;
  /** What attempts are: calls of something remote, or work of this process, such as a handler. @default "client" */
  readonly attempts?: "client" | "internal";
}

const attemptOutcome = "attempt.outcome";
const statusCode = "http.response.status_code";

/** Under it the context of an attempt has the attempt's span, to be told from those that are made inside. */
const attemptKey: symbol = createContextKey("headgate attempt");

/** The span of the attempt that is running in this context; undefined where the active span is another. */
export function activeAttempt(active: Context): Span | undefined {
  const span = trace.getSpan(active);
  return span !== undefined && active.getValue(attemptKey) === span ? span : undefined;
}

/**
 * Makes an INTERNAL span for each call of a pipeline and a CLIENT span for each of its attempts, if the span that is active
 * where the call begins is recorded: `pipeline({ name, tracer: createTracer() }, …)`, one for any number of pipelines. The
 * operation runs in the context of its attempt's span.
 *
 * A span ends with what it stands for. That of an attempt which is given up (a timeout, a caller who leaves) ends then. Errors
 * that a later attempt made good are on their attempts alone.
 *
 * Follows OpenTelemetry's conventions for HTTP clients and for recording errors.
 */
export function createTracer(options: CreateTracerOptions = {}): Tracer {
  const { tracerProvider = trace.getTracerProvider(), attempts: kindOfAttempts = "client" } = options;
  const tracer = tracerProvider.getTracer("@headgate/otel");
  const kind = kindOfAttempts === "client" ? SpanKind.CLIENT : SpanKind.INTERNAL;
  const errorTypes = new ErrorTypes();
  const calls = new WeakMap<Operation<unknown>, Span>();
  const attempts = new WeakMap<OperationContext, Span>();

  const startAttempt = (pipeline: string, attempt: OperationContext, parent: Context): Context => {
    const resent = attempt.attempt > 1 && { "http.request.resend_count": attempt.attempt - 1 };
    const attributes = { [pipelineName]: pipeline, ...resent };
    const span = tracer.startSpan(`${pipeline} attempt`, { kind, attributes }, parent);
    attempts.set(attempt, span);
    return trace.setSpan(parent, span).setValue(attemptKey, span);
  };

  return {
    trace(pipeline, operation) {
      const outer = context.active();
      if (trace.getSpan(outer)?.isRecording() !== true) return operation;
      const attributes = { [pipelineName]: pipeline };
      const span = tracer.startSpan(pipeline, { kind: SpanKind.INTERNAL, attributes }, outer);
      const parent = trace.setSpan(outer, span);
      const traced: Operation<unknown> = (attempt) =>
        context.with(startAttempt(pipeline, attempt, parent), operation, undefined, attempt);
      calls.set(traced, span);
      return traced;
    },

    attemptEnded(attempt, call) {
      const span = attempts.get(attempt);
      if (span === undefined) return;
      attempts.delete(attempt);
      const { threw, result } = call;
      const type = errorTypes.of(result);
      const outcome = outcomeOf(call, type);
      span.setAttribute(attemptOutcome, outcome);
      const status = threw ? undefined : httpStatus(result);
      if (status !== undefined) span.setAttribute(statusCode, status);
      if (status !== undefined && status >= 400) markFailed(span, String(status), undefined);
      else if (outcome !== "success" && outcome !== "cancelled") markFailed(span, type, result);
      span.end();
    },

    settled(call) {
      const span = calls.get(call.operation);
      if (span === undefined) return;
      calls.delete(call.operation);
      const type = errorTypes.of(call.result);
      const outcome = call.outcome === "success" && hasFallenBack(call) ? "fallback" : outcomeOf(call, type);
      span.setAttributes({ [pipelineOutcome]: outcome, "retry.count": call.attempt - 1 });
      if (call.outcome !== "success" && outcome !== "cancelled") markFailed(span, type, call.result);
      span.end();
    },
  };
}

/** As it is counted in metrics. */
function outcomeOf({ outcome, result }: Call, type: string): PipelineOutcome {
  if (outcome === "success") return "success";
  if (outcome === "ignored" && !isRefusal(result)) return "cancelled";
  return outcomes.get(type) ?? "failure";
}

function markFailed(span: Span, type: string, result: unknown): void {
  span.setAttribute(errorType, type);
  const message = result instanceof Error ? { message: result.message } : undefined;
  span.setStatus({ code: SpanStatusCode.ERROR, ...message });
}

function httpStatus(value: unknown): number | undefined {
  const status: unknown = (value as { status?: unknown } | null | undefined)?.status;
  return typeof status === "number" && status >= 100 && status < 600 ? status : undefined;
}
