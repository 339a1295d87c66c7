// The upstream on Workers: the runtime's own `fetch`, which moves the bodies of responses without JavaScript.
import {
  ClientBodyError,
  type Upload,
  type Upstream,
  type UpstreamRequest,
  UpstreamUnreachableError,
} from "../upstream.ts";

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
      const clientBody = request.body instanceof ReadableStream ? new ClientBody(request.body, request.upload) : null;
      const init: WorkersRequestInit = {
        method,
        headers,
        body: (clientBody?.announced(headers.get("content-length")) ?? request.body) as BodyInit | null,
        redirect: "manual",
        signal,
        encodeResponseBody: "manual",
      };
      const response = await fetch(origin + path, init).catch((error: unknown) => {
        if (signal.aborted) throw signal.reason;
        throw clientBody?.failed ? new ClientBodyError(error) : new UpstreamUnreachableError(origin, error, false);
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

/** The body of a client's request, read here so that it can be told which side broke off. */
class ClientBody {
  /** Whether it broke off on the client's side. */
  failed = false;
  readonly #stream: ReadableStream<Uint8Array>;

  constructor(body: ReadableStream<Uint8Array>, upload: Upload = { awaited: false }) {
    const reader = body.getReader();
    this.#stream = new ReadableStream({
      pull: async (controller) => {
        upload.awaited = true;
        try {
          const { done, value } = await reader.read();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          this.failed = true;
          throw error;
        } finally {
          upload.awaited = false;
        }
      },
      cancel: (reason) => reader.cancel(reason),
    });
  }

  announced(length: string | null): ReadableStream<Uint8Array> {
    return length === null ? this.#stream : this.#stream.pipeThrough(passage(length));
  }
}

/** For a body of this length, or of one that is not known. */
function passage(length: string | null): ByteStream {
  return length === null ? new IdentityTransformStream() : new FixedLengthStream(Number(length));
}
