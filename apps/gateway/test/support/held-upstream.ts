// An upstream that answers when the test says so, and notes who came when.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { eventually } from "./http-client.ts";

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

export class HeldUpstream {
  /** The paths that were asked for, in order. */
  readonly arrived: string[] = [];
  /** The most requests that were here at once. */
  mostAtOnce = 0;
  /** Whether every request is answered as soon as it comes, with its path. */
  answering = false;
  readonly #held = new Map<string, Exchange>();
  readonly #server: Server = createServer((request, response) => {
    const path = request.url ?? "";
    this.arrived.push(path);
    if (this.answering) {
      response.end(path);
      return;
    }
    this.#held.set(path, { request, response });
    this.mostAtOnce = Math.max(this.mostAtOnce, this.running);
    response.on("close", () => this.#held.delete(path));
  });

  /** Requests that are here and not answered, or whose clients have not left. */
  get running(): number {
    return this.#held.size;
  }

  async listen(): Promise<string> {
    await new Promise<void>((listening) => this.#server.listen(0, "127.0.0.1", listening));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Waits for the request and gives its response. */
  async take(path: string): Promise<ServerResponse> {
    return (await this.exchange(path)).response;
  }

  exchange(path: string): Promise<Exchange> {
    return eventually(() => this.#held.get(path));
  }

  forget(): void {
    this.arrived.length = 0;
    this.mostAtOnce = 0;
  }

  close(): Promise<void> {
    return new Promise((closed) => {
      this.#server.close(() => closed());
      this.#server.closeAllConnections();
    });
  }
}
