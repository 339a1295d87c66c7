// Load: connections that each send a request, read the response and send the next. Raw sockets and as little parsing
// as will do, so that the generator has time to spare when a contender has none.
import { connect, type Socket } from "node:net";
import { quantile } from "../statistics.ts";

export interface LoadOrder {
  readonly port: number;
  readonly connections: number;
  readonly durationMs: number;
}

export interface Load {
  readonly requests: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const maxRequests = 1_000_000;
const bodyBytes = 1024;
const blankLine = "\r\n\r\n";

/** What one run has measured so far. */
class Recorder {
  readonly #startMs = performance.now();
  readonly #endMs: number;
  readonly #latencies = new Float64Array(maxRequests);
  #requests = 0;

  constructor(durationMs: number) {
    this.#endMs = this.#startMs + durationMs;
  }

  /** Takes in a response. False when it was the last one. */
  record(sentMs: number): boolean {
    const nowMs = performance.now();
    if (nowMs >= this.#endMs || this.#requests === maxRequests) return false;
    this.#latencies[this.#requests++] = nowMs - sentMs;
    return true;
  }

  result(): Load {
    const measured = this.#latencies.subarray(0, this.#requests);
    const seconds = (Math.min(this.#endMs, performance.now()) - this.#startMs) / 1000;
    return { requests: this.#requests, seconds, p50Ms: quantile(measured, 0.5), p99Ms: quantile(measured, 0.99) };
  }
}

class Connection {
  readonly #recorder: Recorder;
  readonly #request: string;
  readonly #socket: Socket;
  #sentMs = 0;
  /** What came of a head that is not complete yet. */
  #head = "";
  /** How much of the body is still to come. */
  #left = 0;
  readonly closed: Promise<void>;

  constructor(port: number, recorder: Recorder) {
    this.#recorder = recorder;
    this.#request = `GET / HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\naccept: */*\r\nuser-agent: load\r\n\r\n`;
    const buffer = Buffer.alloc(16_384);
    const callback = (length: number): boolean => {
      this.#read(buffer, length);
      return true;
    };
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true, onread: { buffer, callback } });
    this.closed = new Promise((resolve, reject) => {
      this.#socket.once("connect", () => this.#send());
      this.#socket.once("error", reject);
      this.#socket.once("close", () => resolve());
    });
  }

  #send(): void {
    this.#sentMs = performance.now();
    this.#socket.write(this.#request, "latin1");
  }

  #read(buffer: Buffer, length: number): void {
    if (this.#left > 0) this.#left -= length;
    else {
      this.#head += buffer.toString("latin1", 0, length);
      const headEnd = this.#head.indexOf(blankLine);
      if (headEnd < 0) return;
      this.#left = headEnd + blankLine.length + bodyBytes - this.#head.length;
      if (!isExpected(this.#head)) this.#left = -1;
      if (this.#left >= 0) this.#head = "";
    }
    if (this.#left < 0) this.#socket.destroy(new Error(`Unexpected response: ${this.#head.slice(0, 500)}`));
    else if (this.#left === 0) this.#next();
  }

  #next(): void {
    if (this.#recorder.record(this.#sentMs)) this.#send();
    else this.#socket.destroy();
  }
}

/** Runs a load. Rejects at the first response that is not a 200 with the whole body. */
async function run({ port, connections, durationMs }: LoadOrder): Promise<Load> {
  const recorder = new Recorder(durationMs);
  const open = Array.from({ length: connections }, () => new Connection(port, recorder));
  await Promise.all(open.map(({ closed }) => closed));
  return recorder.result();
}

function isExpected(head: string): boolean {
  return head.startsWith("HTTP/1.1 200") && /\r\ncontent-length: 1024(\r\n|$)/i.test(head);
}

process.on("message", (order) => {
  run(order as LoadOrder).then(
    (load) => process.send?.(load),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.on("disconnect", () => process.exit());
