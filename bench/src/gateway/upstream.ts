// What the contenders stand in front of: `/` answers with 1 KB, `/bytes/<n>` with n bytes as fast as they are read.
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { patternFrom } from "./body.ts";
import { announce } from "../child.ts";

const small = patternFrom(0, 1024);
const chunkBytes = 64 * 1024;

const server = createServer((request, response) => {
  const [, path, count] = (request.url ?? "").split("/");
  if (path === "bytes") void sendPattern(response, Number(count));
  else
    response.writeHead(200, { "content-type": "application/octet-stream", "content-length": small.length }).end(small);
});

async function sendPattern(response: ServerResponse, length: number): Promise<void> {
  response.writeHead(200, { "content-type": "application/octet-stream", "content-length": length });
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  for (let sent = 0; sent < length && !response.destroyed; sent += chunkBytes) {
    const goesOn = response.write(patternFrom(sent, Math.min(chunkBytes, length - sent)));
    if (!goesOn) await once(response, "drain", gone).catch(() => {});
  }
  response.end();
}

server.listen(0, "127.0.0.1", () => announce((server.address() as AddressInfo).port));
