// The upstream on Workers: the runtime's own `fetch`, whose bodies are moved without JavaScript.
import { type Upstream, type UpstreamRequest, UpstreamUnreachableError } from "../upstream.ts";

type ByteStream = TransformStream<Uint8Array, Uint8Array>;

/** Workers' own streams: bytes as they come. What was read from the second goes out with a length, not in chunks. */
declare const IdentityTransformStream: new () => ByteStream;
declare const FixedLengthStream: new (length: number) => ByteStream;

interface WorkersRequestInit extends RequestInit {
  /** `manual`: the response's body stays as encoded as it came. */
  readonly encodeResponseBody?: "automatic" | "manual";
}

export function fetchUpstream(): Upstream {
  return {
    async send(request) {
      const { method, origin, path, signal, client } = request;
      const headers = toHeaders(request);
      const init: WorkersRequestInit = {
        method,
        headers,
        body: outgoingBody(request.body, headers.get("content-length")) as BodyInit | null,
        redirect: "manual",
        signal,
        encodeResponseBody: "manual",
      };
      const response = await fetch(origin + path, init).catch((error: unknown) => {
        throw signal.aborted ? signal.reason : new UpstreamUnreachableError(origin, error, false);
      });
      const { status, body } = response;
      const list = [...response.headers].flat();
      if (body === null) return { status, headers: list, body: null, ended: null };
      const { readable, writable } = passage(response.headers.get("content-length"));
      // Without the signal a body that has fallen silent is not ended by a client that leaves.
      const ended = body.pipeTo(writable, { signal: client }).catch(() => {});
      return { status, headers: list, body: readable, ended };
    },
    async close() {},
  };
}

function toHeaders({ headers }: UpstreamRequest): Headers {
  const out = new Headers();
  for (let i = 0; i < headers.length; i += 2) out.append(headers[i] as string, headers[i + 1] as string);
  return out;
}

function outgoingBody(body: UpstreamRequest["body"], length: string | null): UpstreamRequest["body"] {
  return body instanceof ReadableStream && length !== null ? body.pipeThrough(passage(length)) : body;
}

/** For a body of this length, or of one that is not known. */
function passage(length: string | null): ByteStream {
  return length === null ? new IdentityTransformStream() : new FixedLengthStream(Number(length));
}
