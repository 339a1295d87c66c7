// An SDK whose spans can be looked at, and the parents that calls find.
import { AsyncLocalStorage } from "node:async_hooks";
import {
  type Attributes,
  type Context,
  context,
  type ContextManager,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type TracerProvider as ApiTracerProvider,
} from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import {
  AlwaysOnSampler,
  InMemorySpanExporter,
  ParentBasedSampler,
  SimpleSpanProcessor,
  TracerProvider,
} from "@opentelemetry/sdk-trace";

/** The context manager of Node's SDK, as far as it is needed here; also on Workers. */
class StoredContext implements ContextManager {
  readonly #stored = new AsyncLocalStorage<Context>();
  active(): Context {
    return this.#stored.getStore() ?? ROOT_CONTEXT;
  }
  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    active: Context,
    fn: F,
    self?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    return this.#stored.run(active, () => fn.apply(self as ThisParameterType<F>, args));
  }
  bind<T>(_: Context, target: T): T {
    return target;
  }
  enable(): this {
    return this;
  }
  disable(): this {
    return this;
  }
}

export interface Recorded {
  readonly name: string;
  readonly kind: string | undefined;
  /** The name of the parent's span. */
  readonly parent: string | undefined;
  readonly status: string | undefined;
  readonly message: string | undefined;
  readonly attributes: Attributes;
}

export class RecordedSpans {
  readonly #exporter = new InMemorySpanExporter();
  readonly #provider = new TracerProvider({
    sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
    spanProcessors: [new SimpleSpanProcessor({ exporter: this.#exporter })],
  });
  /** How often each span was ended, by its id. */
  readonly ends: Map<string, number> = new Map();
  readonly #names = new Map<string, string>();

  constructor() {
    context.setGlobalContextManager(new StoredContext());
    propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  }

  [Symbol.dispose](): void {
    context.disable();
    propagation.disable();
  }

  /** Notes what is ended; the SDK ignores a second end. */
  readonly provider: ApiTracerProvider = {
    getTracer: (name) => {
      const tracer = this.#provider.getTracer(name);
      return Object.assign(Object.create(tracer) as typeof tracer, {
        startSpan: (...args: Parameters<typeof tracer.startSpan>) => this.#noted(tracer.startSpan(...args)),
      });
    },
  };

  #noted(span: Span): Span {
    const { spanId } = span.spanContext();
    const end = span.end.bind(span);
    span.end = (time) => {
      this.ends.set(spanId, (this.ends.get(spanId) ?? 0) + 1);
      end(time);
    };
    this.ends.set(spanId, 0);
    return span;
  }

  /** Runs something inside a recorded span, and ends that. */
  async inside<T>(run: () => Promise<T>, name = "parent"): Promise<T> {
    const span = this.#provider.getTracer("test").startSpan(name);
    try {
      return await context.with(trace.setSpan(context.active(), span), run);
    } finally {
      span.end();
    }
  }

  /** What has ended, in that order. */
  all(): Recorded[] {
    const spans = this.#exporter.getFinishedSpans();
    for (const span of spans) this.#names.set(span.spanContext().spanId, span.name);
    return spans.map(({ name, kind, parentSpanContext, status, attributes }) => ({
      name,
      kind: SpanKind[kind],
      parent: parentSpanContext && this.#names.get(parentSpanContext.spanId),
      status: SpanStatusCode[status.code],
      message: status.message,
      attributes,
    }));
  }

  /** Attempts are named by their request's method where there is one. */
  attempts(): Recorded[] {
    return this.all().filter(({ attributes }) => "attempt.outcome" in attributes);
  }
}
