// Requests over connections of their own, which a client may break off, as clients do.
import { type ClientRequest, request } from "node:http";

export interface Received {
  readonly status: number;
  readonly body: string;
}

/** A request that its client may leave: `received` is undefined then. */
export interface Sent {
  readonly received: Promise<Received | undefined>;
  leave(): void;
}

export function send(url: string): Sent {
  let outgoing: ClientRequest;
  const received = new Promise<Received | undefined>((resolve) => {
    outgoing = request(url, { agent: false });
    outgoing.on("error", () => resolve(undefined));
    outgoing.on("response", (incoming) => {
      let body = "";
      incoming.setEncoding("utf8");
      incoming.on("data", (text: string) => (body += text));
      incoming.on("error", () => resolve(undefined));
      incoming.on("close", () => resolve(incoming.complete ? { status: incoming.statusCode ?? 0, body } : undefined));
    });
    outgoing.end();
  });
  return { received, leave: () => outgoing.destroy() };
}

/** The answer of a client that stays. */
export async function get(url: string): Promise<Received> {
  const received = await send(url).received;
  if (received === undefined) throw new Error(`The connection to ${url} broke`);
  return received;
}

export async function getJson<T>(url: string): Promise<T> {
  const { status, body } = await get(url);
  if (status !== 200) throw new Error(`${url} answers ${status}: ${body}`);
  return JSON.parse(body) as T;
}

/** Polls until the check holds, and gives what it gave; fails after `limitMs`. */
export async function eventually<T>(
  look: () => Promise<T>,
  holds: (found: T) => boolean,
  limitMs = 30_000,
): Promise<T> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const found = await look();
    if (holds(found)) return found;
    if (performance.now() > deadline) throw new Error(`Not within ${limitMs} ms; at last ${JSON.stringify(found)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
