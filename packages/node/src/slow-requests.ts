// Ends connections whose request comes too slowly. `node:http` finds all of them at each check, and to answer and close them is
// what takes the time: 40 to 80 µs each, so a few thousand that came together would hold everybody else up for a third of a
// second. Here they stop being read at once, and are closed a few at a time with room for other work in between.
import type { Server } from "node:http";
import type { Socket } from "node:net";
import { type Clock, type ClockTimer, systemClock } from "@headgate/core";

/** About a millisecond's work. */
export const closedPerTurn = 20;
export const turnMs = 5;

/** As `node:http` answers errors of clients where nobody listens to them. */
const statusLines: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "413 Payload Too Large",
};

/** A socket with the response that is being written to it, which only `node:http` knows when requests were pipelined. */
type HttpSocket = Socket & { readonly _httpMessage?: { readonly _headerSent?: boolean } | null };

/** Takes the closing over from `node:http`, for as long as nobody else listens to `clientError` of this server. */
export function closeSlowRequests(server: Server, clock: Clock = systemClock): SlowRequests {
  return new SlowRequests(server, clock);
}

class SlowRequests {
  readonly #clock: Clock;
  #waiting: HttpSocket[] = [];
  #turn: ClockTimer | null = null;

  constructor(server: Server, clock: Clock) {
    this.#clock = clock;
    server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
      // Another listener answers instead, as without this one.
      if (server.listenerCount("clientError") > 1) return;
      if (error.code === "ERR_HTTP_REQUEST_TIMEOUT") this.#add(socket as Socket);
      else end(socket as Socket, error);
    });
    server.on("close", () => {
      this.#turn?.cancel();
      this.#turn = null;
      this.#waiting = [];
    });
  }

  /** How many connections are still to be closed. */
  get waiting(): number {
    return this.#waiting.length;
  }

  #add(socket: Socket): void {
    // The rest of its request may come while it waits, and must not start anything any more.
    socket.pause();
    this.#waiting.push(socket);
    this.#turn ??= this.#clock.after(turnMs, this.#closeSome);
  }

  readonly #closeSome = (): void => {
    const next = this.#waiting.splice(0, closedPerTurn);
    this.#turn = this.#waiting.length > 0 ? this.#clock.after(turnMs, this.#closeSome) : null;
    for (const socket of next) {
      // Who has asked for nothing is told nothing: a client that keeps a connection ready would take it for an answer to the
      // request that it is just sending.
      if (socket.bytesRead === 0) socket.destroy();
      else end(socket, timedOut);
    }
  };
}

const timedOut = { code: "ERR_HTTP_REQUEST_TIMEOUT" };

/** With an answer, unless there has been the beginning of one. */
function end(socket: HttpSocket, error: { readonly code?: string }): void {
  if (socket.writable && !socket._httpMessage?._headerSent) {
    socket.write(`HTTP/1.1 ${statusLines[error.code ?? ""] ?? "400 Bad Request"}\r\nConnection: close\r\n\r\n`);
  }
  socket.destroy();
}
