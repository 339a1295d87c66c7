// What a server has open. `node:http` knows its connections, but neither counts them nor tells about those that were
// upgraded, which a shutdown has to end as well.
import type { Server, ServerResponse } from "node:http";
import type { Server as HttpsServer } from "node:https";
import { Server as NetServer, type Socket } from "node:net";
import type { RequestContext } from "./request-context.ts";
import { Roster, type Seat } from "./roster.ts";

export type HttpServer = Server | HttpsServer;

/** Connections of a server. `open` is `active` and `idle` together; the other counts only rise. */
export interface ConnectionCounts {
  readonly open: number;
  /** With a request that is not answered to its end. */
  readonly active: number;
  /** Between two requests, before the first, or upgraded. */
  readonly idle: number;
  /** Since the server was made. */
  readonly accepted: number;
  /** Closed at once because `maxConnections` were open. */
  readonly refused: number;
}

/** A request under way. */
interface Exchange {
  readonly response: ServerResponse;
  /** Once its handler runs. */
  context: RequestContext | null;
}

/** A response, as the place of its exchange: each `Connections` of a server has a key of its own for it. */
interface Seated {
  [seatOf: symbol]: Seat<Exchange> | undefined;
}

export class Connections {
  readonly server: HttpServer;
  readonly #sockets = new Set<Socket>();
  readonly #exchanges = new Roster<Exchange>();
  readonly #seatOf = Symbol("headgate.seat");
  #accepted = 0;
  #refused = 0;
  #closing = false;

  constructor(server: HttpServer) {
    this.server = server;
    const secure = "setSecureContext" in server;
    const see = (socket: Socket) => {
      if (this.#sockets.has(socket)) return;
      this.#accepted++;
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    };
    server.on("connection", see);
    server.on("drop", () => this.#refused++);
    const exchanges = this.#exchanges;
    const seatOf = this.#seatOf;
    // One function for all responses, which is told whose end it is by `this`.
    function over(this: ServerResponse): void {
      const seat = (this as unknown as Seated)[seatOf];
      if (seat) exchanges.leave(seat);
    }
    // Before the listener that answers.
    server.prependListener("request", (request, response: ServerResponse) => {
      // One that was open before this began. Under TLS the request's socket is not the one that was accepted.
      if (!secure) see(request.socket);
      if (this.#closing) response.shouldKeepAlive = false;
      (response as unknown as Seated)[seatOf] = exchanges.join({ response, context: null });
      response.on("close", over);
    });
  }

  get counts(): ConnectionCounts {
    // A response has no socket while another one is before it on the same connection; its request does.
    const active = new Set(this.#exchanges.values().map(({ response }) => response.req.socket)).size;
    const open = Math.max(this.#sockets.size, active);
    return { open, active, idle: open - active, accepted: this.#accepted, refused: this.#refused };
  }

  /** The context of the request that this response answers, for `abort`. */
  setContext(response: ServerResponse, context: RequestContext): void {
    const seat = (response as unknown as Seated)[this.#seatOf];
    if (seat) seat.value.context = context;
  }

  /** From now on every response says `Connection: close`, those that are being prepared included. */
  announceClose(): void {
    this.#closing = true;
    for (const { response } of this.#exchanges.values()) {
      if (!response.headersSent) response.shouldKeepAlive = false;
    }
  }

  /** Accepts nothing more; resolves when the last connection has ended. */
  close(): Promise<void> {
    return new Promise((done) => {
      // Not that of `node:http`: it cuts connections that were accepted a moment ago and whose request is on its way, and
      // stops looking at how long requests take. What an error would say is that it was not listening.
      NetServer.prototype.close.call(this.server, () => {
        this.server.close(() => {});
        done();
      });
    });
  }

  /** Ends the connections that have no request. */
  sweep(): void {
    this.server.closeIdleConnections();
    // Older versions of Node do not count those as idle on which nothing has come yet, and would wait for them.
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy();
  }

  /** Aborts the requests that are not answered yet. Returns how many there are. */
  abort(reason: unknown): number {
    const unanswered = this.#exchanges.values();
    for (const { context } of unanswered) context?.abort(reason);
    return unanswered.length;
  }

  /** Ends every connection, upgraded ones included. */
  destroy(): void {
    this.server.closeAllConnections();
    for (const socket of this.#sockets) socket.destroy();
  }
}
