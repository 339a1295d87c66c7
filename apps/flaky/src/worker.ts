// The upstream on Cloudflare Workers. One instance per isolate: its mode and counts live as long as the isolate.
import { createFlaky } from "./app.ts";

/** Workers' own stream of a known length. */
declare const FixedLengthStream: new (length: number) => TransformStream<Uint8Array, Uint8Array>;

// Nothing that Workers forbids at module scope happens in here: no timer, no chance, no I/O.
const app = createFlaky();

export default {
  async fetch(request: Request, env: object): Promise<Response> {
    return announceLength(await app.fetch(request, env));
  },
};

/** Workers sends a stream in chunks, whatever its `content-length` says, unless the stream itself has a length. */
function announceLength(response: Response): Response {
  const length = response.headers.get("content-length");
  if (response.body === null || length === null) return response;
  return new Response(response.body.pipeThrough(new FixedLengthStream(Number(length))), response);
}
