// A client that shows a response as it came over the wire: no redirects, no decompression, no joined fields.
import { type Agent, request } from "node:http";
import { connect, type Socket } from "node:net";

export interface Sent {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  /** What a function makes is sent in chunks, as it comes. */
  readonly body?: string | Uint8Array | (() => AsyncIterable<Uint8Array | string>);
  readonly signal?: AbortSignal;
  /** Keeps connections. @default a connection for this request alone */
  readonly agent?: Agent;
}

export interface Received {
  readonly status: number;
  /** name, value, name, value, …; names in lower case, sorted. */
  readonly headers: readonly [string, string][];
  readonly body: Uint8Array;
  /** False when the connection broke before the body had ended. */
  readonly complete: boolean;
}

/** Rejects when no response came. */
export function send(url: string, { method = "GET", headers = {}, body, signal, agent }: Sent = {}): Promise<Received> {
  return new Promise((resolve, reject) => {
    const length = typeof body === "string" || body instanceof Uint8Array ? Buffer.byteLength(body) : undefined;
    const outgoing = request(url, {
      method,
      headers: { ...(length !== undefined && { "content-length": String(length) }), ...headers },
      agent: agent ?? false,
      ...(signal && { signal }),
    });
    outgoing.on("error", reject);
    outgoing.on("response", (incoming) => {
      const chunks: Uint8Array[] = [];
      const settle = () => {
        const raw = incoming.rawHeaders;
        const list = raw.flatMap((name, i): [string, string][] =>
          i % 2 === 0 ? [[name.toLowerCase(), raw[i + 1] as string]] : [],
        );
        list.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
        resolve({
          status: incoming.statusCode ?? 0,
          headers: list,
          body: Buffer.concat(chunks),
          complete: incoming.complete,
        });
      };
      incoming.on("data", (chunk: Uint8Array) => chunks.push(chunk));
      incoming.on("error", settle);
      incoming.on("end", settle);
    });
    if (typeof body === "function") void writeAll(outgoing, body());
    else outgoing.end(body);
  });
}

async function writeAll(outgoing: ReturnType<typeof request>, body: AsyncIterable<Uint8Array | string>): Promise<void> {
  for await (const chunk of body) outgoing.write(chunk);
  outgoing.end();
}

/** Sends a GET and resolves at the first bytes of its response, with the connection. */
export function openResponse(url: string): Promise<Socket> {
  const { hostname, port, pathname, search } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(`GET ${pathname}${search} HTTP/1.1\r\nhost: ${hostname}:${port}\r\n\r\n`);
    });
    socket.once("data", () => resolve(socket));
    socket.once("error", reject);
  });
}

/** Sends the beginning of a POST and gives the connection. */
export function breakOff(url: string): Promise<Socket> {
  const { hostname, port, pathname } = new URL(url);
  return new Promise((resolve, reject) => {
    const head = `POST ${pathname} HTTP/1.1\r\nhost: ${hostname}:${port}\r\ncontent-length: 1000000\r\n\r\n`;
    const socket = connect(Number(port), hostname, () => socket.write(`${head}the beginning`, () => resolve(socket)));
    socket.once("error", reject);
  });
}

/** Polls until the check gives something other than undefined; fails after `limitMs`. */
export async function eventually<T>(check: () => Promise<T | undefined> | T | undefined, limitMs = 30_000): Promise<T> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const found = await check();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`Not within ${limitMs} ms: ${check.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
