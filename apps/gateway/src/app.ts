// The gateway as a Hono application, the same on every runtime: what differs comes in as dependencies.
import { problem } from "@headgate/hono";
import { type Context, Hono, type MiddlewareHandler } from "hono";
import type { GatewayConfig } from "./config.ts";
import { GatewayError, gatewayProblems } from "./gateway-error.ts";
import { type Incoming, proxy, type Respond } from "./proxy.ts";
import { createRoute, type Route, type RouteSeams } from "./route.ts";
import type { Upstream } from "./upstream.ts";

export interface GatewayDependencies extends RouteSeams {
  readonly config: GatewayConfig;
  readonly upstream: Upstream;
  /** The cheapest way to the parts of a request on this runtime. */
  readonly incoming: (c: Context) => Incoming;
  readonly respond: Respond;
  /** Whether the gateway takes traffic: false from the moment it is told to stop. @default always */
  readonly isReady?: () => boolean;
  /** Measures every request, the gateway's own pages included. @default none */
  readonly measure?: MiddlewareHandler | undefined;
  /** The text of `/metrics`, in the format that the `Accept` asks for. @default no such path */
  readonly metrics?:
    | ((accept: string | undefined) => Promise<{ readonly contentType: string; readonly text: string }>)
    | undefined;
}

export interface Gateway {
  readonly fetch: Hono["fetch"];
  readonly routes: readonly Route[];
}

export function createApp(dependencies: GatewayDependencies): Gateway {
  const { config, upstream, incoming, respond, isReady = () => true, metrics, measure } = dependencies;
  const app = new Hono();
  if (measure) app.use(measure);
  app.get("/livez", (c) => c.json({ status: "ok" }));
  app.get("/readyz", (c) => (isReady() ? c.json({ status: "ok" }) : c.json({ status: "stopping" }, 503)));
  if (metrics) {
    app.get("/metrics", async (c) => {
      const { contentType, text } = await metrics(c.req.header("accept"));
      return new Response(text, { headers: { "content-type": contentType } });
    });
  }
  const routes = config.routes.map((route) => createRoute(route, dependencies));
  // The longest prefix first: Hono takes the first that matches.
  const byLength = routes.toSorted((a, b) => b.config.pathPrefix.length - a.config.pathPrefix.length);
  for (const route of byLength) {
    const { pathPrefix, methods } = route.config;
    app.all(pathPrefix === "/" ? "/*" : `${pathPrefix}/*`, (c) => {
      if (!(methods as readonly string[]).includes(c.req.raw.method))
        return methodNotAllowed(c.req.raw.method, methods);
      return proxy(route, incoming(c), upstream, respond);
    });
  }
  app.notFound((c) => problem(new GatewayError("ERR_NO_ROUTE", `No route for ${c.req.path}`), gatewayProblems));
  app.onError((error) => problem(error, gatewayProblems));
  return { fetch: app.fetch, routes };
}

function methodNotAllowed(method: string, methods: readonly string[]): Response {
  const allow = methods.join(", ");
  const response = problem(
    new GatewayError("ERR_METHOD_NOT_ALLOWED", `${method} is not among ${allow}`),
    gatewayProblems,
  );
  response.headers.set("allow", allow);
  return response;
}
