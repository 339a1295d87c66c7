export { tracedFetch, traceRequest } from "./request.ts";
export type { TracedRequest } from "./request.ts";
export { createTracer } from "./tracer.ts";
export type { CreateTracerOptions } from "./tracer.ts";
