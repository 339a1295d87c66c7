// Entries of the conformance table about the time that a client has left, and what the upstream is told of it.
import { echo, type Entry, get, problemOf } from "./conformance-entry.ts";
import { send } from "./http-client.ts";

const field = "x-request-timeout-ms";
const expired = problemOf(504, "ERR_TIMEOUT", { detail: "The request left no time to serve it." });
const leaving = (fields: Readonly<Record<string, string | string[]>>) => ({ headers: fields });
/** The routes have 5 s, as is the default, or 100 s. */
const ofRoute = "4990 ms or a little less";

export const deadlines: readonly Entry[] = [
  get("tells the upstream what the route leaves", "/demo/echo", echo({ [field]: ofRoute }, ["grpc-timeout"])),
  get(
    "does not believe a client that is not trusted, and passes on nothing that it says",
    "/demo/echo",
    echo({ [field]: ofRoute, "grpc-timeout": ofRoute }, ["x-envoy-expected-rq-timeout-ms"]),
    leaving({ [field]: "1", "grpc-timeout": "9H" }),
  ),
  get(
    "takes over the least of what a trusted client says, and tells it in the client's fields",
    "/mesh/echo",
    echo({
      [field]: "9990 ms or a little less",
      "grpc-timeout": "9990 ms or a little less",
      "x-envoy-expected-rq-timeout-ms": "9990 ms or a little less",
    }),
    leaving({ [field]: "60000", "grpc-timeout": "10S", "x-envoy-expected-rq-timeout-ms": "20000" }),
  ),
  get(
    "never extends the route's own time",
    "/mesh/echo",
    echo({ [field]: "99990 ms or a little less" }),
    leaving({ [field]: "500000" }),
  ),
  ...["soon", "10.5", "", "1e4", "10000000000000"].map((value) =>
    get(
      `takes no deadline from ${JSON.stringify(value)}`,
      "/mesh/echo",
      echo({ [field]: "99990 ms or a little less" }),
      leaving({ [field]: value }),
    ),
  ),
  get(
    "takes no deadline from a field that came twice",
    "/mesh/echo",
    echo({ [field]: "99990 ms or a little less" }),
    leaving({ [field]: ["5000", "10000"] }),
  ),
  get(
    "believes the other fields beside one that says nothing",
    "/mesh/echo",
    echo({ [field]: "9990 ms or a little less" }),
    leaving({ [field]: "5 s", "grpc-timeout": "10S" }),
  ),
  ...["0", "-5", "10"].map((value) =>
    get(`refuses at once what leaves ${value} ms`, "/mesh/hang", expired, leaving({ [field]: value })),
  ),
  get("refuses an upload that leaves nothing", "/mesh/echo", expired, {
    method: "PUT",
    body: "x",
    headers: { "grpc-timeout": "0m" },
  }),
  {
    name: "does not send on what leaves no time",
    act: async (scene) => {
      const served = async () => {
        const { body } = await send(`${scene.upstream}/_mode`);
        return (JSON.parse(Buffer.from(body).toString()) as { counts: { served: number } }).counts.served;
      };
      const before = await served();
      const { status } = await send(`${scene.url}/mesh/echo`, leaving({ [field]: "3" }));
      return [status, (await served()) - before];
    },
    expect: [504, 0],
  },
  {
    name: "answers when the client's time is up, and opens no circuit",
    act: async ({ url }) => {
      const startedMs = performance.now();
      const { status, body } = await send(`${url}/mesh/hang`, leaving({ "grpc-timeout": "300m" }));
      const inTime = performance.now() - startedMs < 5000;
      const { code, pipeline } = JSON.parse(Buffer.from(body).toString()) as { code: string; pipeline: string };
      return [status, code, pipeline, inTime, (await send(`${url}/mesh/status/200`)).status];
    },
    expect: [504, "ERR_TIMEOUT", "mesh", true, 200],
  },
];
