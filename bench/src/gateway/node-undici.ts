// About the least that a proxy on Node costs: node:http in front, undici behind, no framework and no policies.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Agent } from "undici";
import { announce } from "../child.ts";

const upstream = `http://127.0.0.1:${process.argv[2]}`;
const agent = new Agent();

const server = createServer((request, response) => {
  const { url: path = "/", headers } = request;
  agent
    .stream(
      { origin: upstream, path, method: "GET", headers, opaque: response },
      ({ statusCode, headers: received }) => {
        response.writeHead(statusCode, received as Record<string, string>);
        return response;
      },
    )
    .catch(() => response.destroy());
});

server.listen(0, "127.0.0.1", () => announce((server.address() as AddressInfo).port));
