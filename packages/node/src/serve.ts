// A server on a port: @hono/node-server between `node:http` and a `fetch` handler, with limits on what a client may hold.
import type { Server, ServerOptions } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer, type HttpBindings } from "@hono/node-server";
import { acceptQueueLength } from "./accept-queue.ts";
import { type ConnectionCounts, Connections } from "./connections.ts";
import { runInsideContext } from "./context.ts";
import { ListenError } from "./listen-error.ts";
import { checkInteger, maxDelayMs, rejectOption } from "@headgate/core/options";
import { checkLimit } from "./options.ts";
import { RequestContext } from "./request-context.ts";
import { closeSlowRequests } from "./slow-requests.ts";

export interface ServeOptions {
  /** Answers requests: the `fetch` of a Hono application, say. It runs in a context whose signal is the request's. */
  readonly fetch: (request: Request, env: HttpBindings) => unknown;
  /** 0 for any free one. */
  readonly port: number;
  /** The address to listen on. `"0.0.0.0"` or `"::"` for all of them, as in a container. @default "127.0.0.1" */
  readonly hostname?: string;
  /** For a request's line and headers. 1 to `requestTimeoutMs`. @default 10000, or `requestTimeoutMs` if that is less */
  readonly headersTimeoutMs?: number;
  /**
   * For a whole request, its body included. The backstop for what streams slowly; too short for honest uploads if it is
   * set to what a request usually takes. 1 or more, or Infinity. @default 300000
   */
  readonly requestTimeoutMs?: number;
  /**
   * How long a connection without a request stays open. Longer than what stands in front of the server keeps its own
   * (60 s for many load balancers): who closes first answers nobody, and the other may just have sent a request. 1 or more,
   * or Infinity. @default 65000
   */
  readonly keepAliveTimeoutMs?: number;
  /**
   * How often the first two are looked at; requests outlive them by up to so much, and by 5 ms for each 20 whose time is up
   * together. @default 100
   */
  readonly connectionsCheckingIntervalMs?: number;
  /** Connections beyond it are closed at once. Of each worker, in a cluster. 1 or more, or Infinity. @default 10000 */
  readonly maxConnections?: number;
  /** For the line and the headers of a request, together; answered with 431 beyond it. @default 16384 */
  readonly maxHeaderBytes?: number;
  /** Connections that the kernel keeps for the process to accept. The system may allow less. @default 511 */
  readonly backlog?: number;
}

export interface ServerHandle {
  /** Where it answers, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  readonly hostname: string;
  readonly server: Server;
  /** Counted anew each time. */
  readonly connections: ConnectionCounts;
  /** How many connections wait to be accepted; undefined where the system does not tell (it is Linux that does). */
  acceptQueueLength(): number | undefined;
  /** Ends everything at once. For an end in order see `gracefulShutdown`. */
  close(): Promise<void>;
}

/** @internal What `gracefulShutdown` needs of a handle. */
export class RunningServer implements ServerHandle {
  readonly url: string;
  readonly port: number;
  readonly hostname: string;
  readonly server: Server;
  readonly tracked: Connections;

  constructor(server: Server, tracked: Connections, hostname: string) {
    this.server = server;
    this.tracked = tracked;
    this.hostname = hostname;
    this.port = (server.address() as AddressInfo).port;
    this.url = `http://${reachable(hostname)}:${this.port}`;
  }

  get connections(): ConnectionCounts {
    return this.tracked.counts;
  }

  acceptQueueLength(): number | undefined {
    return acceptQueueLength(this.port);
  }

  close(): Promise<void> {
    const closed = this.tracked.close();
    this.tracked.destroy();
    return closed;
  }
}

/**
 * Serves `fetch` over HTTP/1.1 and resolves when it listens.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 * @throws {ListenError} when the address cannot be listened on.
 */
export async function serve(options: ServeOptions): Promise<ServerHandle> {
  const { fetch, port, hostname = "127.0.0.1", maxConnections = 10_000, backlog = 511 } = options;
  const serverOptions = checkedServerOptions(options);
  checkLimit("serve.maxConnections", maxConnections, 1, Number.MAX_SAFE_INTEGER);
  checkInteger("serve.backlog", backlog, 1, 65_535);
  const handle = (request: Request, env: HttpBindings): unknown => {
    const context = new RequestContext(request);
    tracked.setContext(env.outgoing, context);
    return runInsideContext(context, fetch, request, env);
  };
  const fetchCallback = handle as Parameters<typeof createAdaptorServer>[0]["fetch"];
  const server = createAdaptorServer({ fetch: fetchCallback, serverOptions }) as Server;
  const tracked = new Connections(server);
  closeSlowRequests(server);
  if (maxConnections !== Number.POSITIVE_INFINITY) {
    server.maxConnections = maxConnections;
    // In a cluster a full worker would hand a connection on, and full workers would do so to each other without end.
    (server as Server & { dropMaxConnection?: boolean }).dropMaxConnection = true;
  }
  await listening(server, { port, host: hostname, backlog });
  return new RunningServer(server, tracked, hostname);
}

function checkedServerOptions(options: ServeOptions): ServerOptions {
  const {
    requestTimeoutMs = 300_000,
    headersTimeoutMs = Math.min(10_000, requestTimeoutMs),
    keepAliveTimeoutMs = 65_000,
    connectionsCheckingIntervalMs = 100,
    maxHeaderBytes = 16_384,
  } = options;
  if (typeof options.fetch !== "function") rejectOption("serve.fetch", "a function", options.fetch);
  checkInteger("serve.port", options.port, 0, 65_535);
  checkLimit("serve.headersTimeoutMs", headersTimeoutMs, 1, maxDelayMs);
  checkLimit("serve.requestTimeoutMs", requestTimeoutMs, 1, maxDelayMs);
  if (headersTimeoutMs > requestTimeoutMs) {
    rejectOption("serve.headersTimeoutMs", `at most \`requestTimeoutMs\` (${requestTimeoutMs})`, headersTimeoutMs);
  }
  checkLimit("serve.keepAliveTimeoutMs", keepAliveTimeoutMs, 1, maxDelayMs);
  checkInteger("serve.connectionsCheckingIntervalMs", connectionsCheckingIntervalMs, 1, maxDelayMs);
  checkInteger("serve.maxHeaderBytes", maxHeaderBytes, 256, 1_048_576);
  return {
    headersTimeout: orNone(headersTimeoutMs),
    requestTimeout: orNone(requestTimeoutMs),
    keepAliveTimeout: orNone(keepAliveTimeoutMs),
    connectionsCheckingInterval: connectionsCheckingIntervalMs,
    maxHeaderSize: maxHeaderBytes,
  };
}

/** What `node:http` means by no limit. */
function orNone(limitMs: number): number {
  return limitMs === Number.POSITIVE_INFINITY ? 0 : limitMs;
}

function listening(server: Server, at: { port: number; host: string; backlog: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) => reject(new ListenError(at.host, at.port, error));
    server.once("error", fail);
    server.listen(at, () => {
      server.off("error", fail);
      resolve();
    });
  });
}

/** An address of this machine where `hostname` stands for all of them. */
function reachable(hostname: string): string {
  if (hostname === "0.0.0.0") return "127.0.0.1";
  if (hostname === "::") return "[::1]";
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}
