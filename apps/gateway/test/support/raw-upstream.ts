// An upstream whose answers are written field by field: what the demo upstream, being a Hono application, cannot send.
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";

/** What `/gzip` answers with, to the byte. */
const gzipped: Uint8Array = gzipSync("not to be decoded");

export interface RawUpstream {
  readonly url: string;
  close(): Promise<void>;
}

export async function startRawUpstream(): Promise<RawUpstream> {
  const attempts = new Map<string, number>();
  let begun: ServerResponse | undefined;
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://raw");
    const body: Buffer[] = [];
    request.on("data", (chunk: Buffer) => body.push(chunk));
    request.on("end", () => {
      switch (pathname) {
        case "/cookies":
          return response
            .writeHead(200, ["set-cookie", "a=1", "set-cookie", "b=2; Path=/", "content-type", "text/plain"])
            .end("cookies");
        case "/hop-by-hop":
          return response
            .writeHead(200, { connection: "close, x-hop", "x-hop": "1", "x-kept": "2", "content-type": "text/plain" })
            .end("hop");
        case "/no-type":
          return response.writeHead(200).end("plain");
        case "/redirect":
          return response.writeHead(302, { location: "/elsewhere" }).end();
        case "/gzip":
          return response
            .writeHead(200, {
              "content-type": "text/plain",
              "content-encoding": "gzip",
              "content-length": gzipped.length,
            })
            .end(gzipped);
        case "/fail-twice": {
          const key = searchParams.get("key") ?? "";
          const attempt = (attempts.get(key) ?? 0) + 1;
          attempts.set(key, attempt);
          return response
            .writeHead(attempt <= 2 ? 503 : 200, { "content-type": "text/plain" })
            .end(`attempt ${attempt}: ${Buffer.concat(body).toString()}`);
        }
        case "/begin":
          // Until `/end` is asked for.
          begun = response.writeHead(200, { "content-type": "text/plain" });
          return begun.write("begun");
        case "/begun":
          return response.writeHead(begun ? 200 : 404).end();
        case "/end":
          begun?.end("ended");
          return response.writeHead(204).end();
        default:
          return response.writeHead(404).end();
      }
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}
