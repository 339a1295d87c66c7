// A service with what a gateway does not have: a rate limiter, a circuit that looks at ratios, a fallback, middleware of its own.
// Run in the folder of an app that has the packages, with the URL of its upstream in `UPSTREAM`.
import { standardPipeline, timeWindow } from "@headgate/core";
import { httpMetrics, problem } from "@headgate/hono";
import { gracefulShutdown, runtimeMetrics, serve } from "@headgate/node";
import { createTelemetry, renderMetrics } from "@headgate/otel";
import { Hono } from "hono";

const { PORT, UPSTREAM } = process.env;
const telemetry = createTelemetry();
const runtime = runtimeMetrics();
const stock = standardPipeline({
  name: "stock",
  meter: telemetry,
  isFailure: (response) => response.status >= 500,
  totalTimeoutMs: 2000,
  retry: { initialMs: 20 },
  rateLimit: { limit: 30 },
  circuitBreaker: { trip: timeWindow({ windowMs: 10_000, slowMs: 300, slowRatio: 0.9 }), openMs: 5000 },
  fallback: {
    handlers: [() => new Response("as of yesterday")],
    shouldFallback: ({ outcome }) => outcome !== "ignored",
  },
});
telemetry.watch(stock);

const app = new Hono();
app.use(httpMetrics({ meter: telemetry.httpServer }));
app.get("/stock/:item", async (c) => {
  const response = await stock.execute(({ signal }) => fetch(`${UPSTREAM}/flaky/0.1`, { signal }));
  return c.text(await response.text());
});
app.get("/metrics", (c) => {
  const { text, contentType } = renderMetrics([...telemetry.collect(), ...runtime.collect()], c.req.header("accept"));
  return c.body(text, 200, { "content-type": contentType });
});
app.onError((error) => problem(error));

const server = await serve({ fetch: app.fetch, port: Number(PORT) });
runtime.start();
gracefulShutdown(server, {
  signals: ["SIGTERM"],
  flush: () => runtime.stop(),
  exit: (code) => process.exit(code),
});
console.log(`shop listens on ${server.url}`);
