// Every known difference between the Node server and workerd, with its reason. The conformance test applies these and
// nothing else before it compares, and fails when one of them is no longer there.
import type { Seen } from "./conformance-entry.ts";

export interface Difference {
  readonly what: string;
  readonly reason: string;
  /** Brings a sight of either runtime to what both have in common. */
  readonly level: (seen: Seen) => Seen;
}

export const differences: readonly Difference[] = [
  {
    what: "the upstream is told `Connection: keep-alive` by Node only",
    reason: "undici says it, workerd leaves it out. In HTTP/1.1 both mean the same.",
    level: withoutEchoed("connection"),
  },
  {
    what: "the upstream is told an `Accept-Encoding` by workerd where the client named none",
    reason: "Workers' `fetch` always sends one, and what it would send by itself not every client can decode.",
    level: withoutEchoed("accept-encoding"),
  },
  {
    what: "the upstream is told `CF-Worker` by workerd",
    reason: "Workers mark every request that they send with the zone that sent it; it cannot be taken off.",
    level: withoutEchoed("cf-worker"),
  },
  {
    what: "without a body the upstream is told `Content-Length: 0` for DELETE and OPTIONS by workerd",
    reason:
      "Workers' `fetch` announces the missing body for every method but GET and HEAD, undici for those that expect one.",
    level: (seen) => (echoedFields(seen)?.["content-length"] === "0" ? withoutEchoed("content-length")(seen) : seen),
  },
  {
    what: "`X-Forwarded-Proto` of a client that is not trusted gets through workerd on one's own machine",
    reason:
      "Miniflare, which stands in for Cloudflare's edge, makes the URL's scheme of it before the Worker runs. The edge does not.",
    level: withoutEchoed("x-forwarded-proto"),
  },
  {
    what: "the echo's own length",
    reason: "It shows the fields above.",
    level: (seen) => {
      if (echoedFields(seen) === undefined) return seen;
      return { ...seen, headers: without("content-length", seen.headers) };
    },
  },
];

/** The fields of the request as the demo upstream's `/echo` got them. */
function echoedFields({ body }: Seen): Readonly<Record<string, string>> | undefined {
  if (typeof body !== "object" || body === null || !("headers" in body)) return undefined;
  return body.headers as Record<string, string>;
}

function withoutEchoed(name: string): (seen: Seen) => Seen {
  return (seen) => {
    const fields = echoedFields(seen);
    if (fields === undefined) return seen;
    return { ...seen, body: { ...(seen.body as object), headers: without(name, fields) } };
  };
}

function without(name: string, fields: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).filter(([each]) => each !== name));
}
