// What an entry of the conformance table is made of: a request through the gateway, what was seen of the answer, and what
// is expected of it outright.
import { createHash } from "node:crypto";
import { deadlineFields, parseRemainingMs } from "@headgate/core/fetch";
import { expect } from "vitest";
import { type Received, send, type Sent } from "./http-client.ts";

export interface Scene {
  /** The gateway under test. */
  readonly url: string;
  /** The demo upstream itself. */
  readonly upstream: string;
  /** The upstream whose answers are written field by field. */
  readonly raw: string;
}

export interface Seen {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly complete: boolean;
}

export interface Entry {
  readonly name: string;
  readonly act: (scene: Scene) => Promise<unknown>;
  readonly expect: unknown;
}

/** Fields that are about the connection or the moment. */
const notCompared: readonly string[] = ["connection", "date", "keep-alive", "transfer-encoding"];

/** `tookMs` is how long the client has waited for it: no more of its time has a request used up before it is sent on. */
export function see({ status, headers, body, complete }: Received, { url, upstream }: Scene, tookMs = 0): Seen {
  const compared: Record<string, string> = {};
  for (const [name, value] of headers) {
    if (notCompared.includes(name)) continue;
    compared[name] = compared[name] === undefined ? value : `${compared[name]} | ${value}`;
  }
  // Each runtime's gateway and upstream have ports of their own.
  const text =
    body.length > 4096
      ? undefined
      : Buffer.from(body)
          .toString("utf8")
          .replaceAll(new URL(url).host, "gateway.test")
          .replaceAll(new URL(upstream).host, "upstream.test");
  return {
    status,
    headers: compared,
    complete,
    body: text === undefined ? digest(body) : ofNoMoment(parsed(text), tookMs),
  };
}

/** Times are told in whole milliseconds, and workerd has no finer ones. */
const roundingMs = 2;

/** An echoed deadline, which depends on the moment, in words: `"500 ms or a little less"`. */
function ofNoMoment(body: unknown, tookMs: number): unknown {
  const { headers } = (body ?? {}) as { headers?: Record<string, string> };
  if (typeof headers !== "object") return body;
  for (const name of deadlineFields) {
    const leftMs = parseRemainingMs((field) => headers[field], [name]);
    const most = [4990, 9990, 99_990].find((ms) => leftMs <= ms && leftMs >= ms - tookMs - roundingMs);
    if (most !== undefined) headers[name] = `${most} ms or a little less`;
  }
  return body;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export function digest(bytes: Uint8Array): string {
  return `${bytes.length} bytes, sha256 ${createHash("sha256").update(bytes).digest("hex")}`;
}

export function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i % 251);
}

export async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
}

/** One request through the gateway. */
export function get(name: string, path: string, expected: unknown, sent: Sent = {}): Entry {
  const act = async (scene: Scene) => {
    const startMs = performance.now();
    const received = await send(scene.url + path, sent);
    return see(received, scene, performance.now() - startMs);
  };
  return { name, act, expect: expected };
}

export const json = { "content-type": "application/json" };
export const problemOf = (status: number, code: string, more: object = {}) => ({
  status,
  headers: { "content-type": "application/problem+json", "cache-control": "no-store" },
  body: { status, code, ...more },
});

/** What the upstream was sent: these fields, and none of the others. */
export const echo = (fields: Readonly<Record<string, string>>, absent: readonly string[] = []) => ({
  status: 200,
  body: {
    headers: expect.toSatisfy(
      (sent: Record<string, string>) =>
        Object.entries(fields).every(([name, value]) => sent[name] === value) &&
        absent.every((name) => !(name in sent)),
      `${JSON.stringify(fields)} without ${absent.join(", ")}`,
    ) as unknown,
  },
});
