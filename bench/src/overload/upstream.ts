// What the service calls: a number of workers, a queue in the order of arrival, exponential service times. Like most
// servers it does not notice that a client has hung up: work that was accepted is done.
//
//   node upstream.ts <workers> <mean service time in ms>
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { SeededRandom } from "@headgate/core/testing";

export interface UpstreamState {
  readonly arrived: number;
  readonly served: number;
  readonly waiting: number;
}

interface Job {
  readonly response: ServerResponse;
  readonly arrivedMs: number;
}

const [workers = 20, meanMs = 50] = process.argv.slice(2).map(Number);
const random = new SeededRandom(7);
let slowness = 1;
let arrived = 0;
let served = 0;
let idle = workers;
const queue: Job[] = [];
let next = 0;

const server = createServer((_, response) => {
  arrived++;
  const job = { response, arrivedMs: performance.now() };
  if (idle === 0) queue.push(job);
  else {
    idle--;
    work(job, job.arrivedMs);
  }
});

/** A worker begins when it should have, not when a late timer lets it: the capacity is what it is said to be. */
function work(job: Job, beganMs: number): void {
  const endsMs = beganMs - Math.log(1 - random.next()) * meanMs * slowness;
  const leftMs = endsMs - performance.now();
  if (leftMs >= 1) setTimeout(() => end(job, endsMs), leftMs);
  else setImmediate(() => end(job, endsMs));
}

function end({ response }: Job, endedMs: number): void {
  served++;
  response.end("done");
  const job = queue[next];
  if (job === undefined) {
    idle++;
    return;
  }
  next++;
  if (next === 1000) {
    queue.splice(0, next);
    next = 0;
  }
  work(job, Math.max(endedMs, job.arrivedMs));
}

process.on("message", (order: { readonly slowness?: number }) => {
  if (order.slowness !== undefined) slowness = order.slowness;
  process.send?.({ arrived, served, waiting: queue.length - next } satisfies UpstreamState);
});
process.on("disconnect", () => process.exit());
server.keepAliveTimeout = 60_000;
server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () =>
  process.send?.((server.address() as AddressInfo).port),
);
