import { type Agent, type IncomingHttpHeaders, request } from "node:http";
import { connect, type Socket } from "node:net";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly reused: boolean;
}

/** One request on a connection of its own, or on one of `agent`'s. */
export function get(url: string, agent: Agent | false = false): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent }, (response) => {
      let body = "";
      response
        .setEncoding("utf8")
        .on("data", (text: string) => (body += text))
        .on("error", reject)
        .on("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body, reused: sent.reusedSocket }),
        );
    });
    sent.on("error", reject).end();
  });
}

/** A bare connection: what it was sent, and whether it has ended. */
export function dial(port: number): {
  readonly socket: Socket;
  readonly said: () => string;
  readonly closed: () => boolean;
} {
  let text = "";
  let over = false;
  const socket = connect(port, "127.0.0.1");
  socket
    .setEncoding("latin1")
    .on("data", (piece: string) => (text += piece))
    .on("error", () => {})
    .on("close", () => (over = true));
  return { socket, said: () => text, closed: () => over };
}
