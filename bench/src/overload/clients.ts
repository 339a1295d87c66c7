// Clients: requests at the times of a Poisson process, whether or not earlier ones were answered. Latency counts from
// the moment a request was meant to be sent, so that a generator that falls behind does not flatter anybody.
import { Agent, request } from "node:http";
import { SeededRandom } from "@headgate/core/testing";

export interface Answer {
  /** When the request was meant to be sent, in milliseconds from the start of the run. */
  readonly atMs: number;
  readonly latencyMs: number;
  /** The status, 0 for a client that gave up, -1 for a connection that failed. */
  readonly status: number;
  /** A success in good time. */
  readonly good: boolean;
}

export interface Phase {
  readonly name: string;
  readonly perSecond: number;
  readonly durationMs: number;
  /** How many times the upstream's service time is what it is said to be. */
  readonly slowness: number;
}

/** What clients think of how long an answer takes. */
export interface Patience {
  /** An answer is good when it comes within this time. */
  readonly goodMs: number;
  readonly giveUpMs: number;
}

/** Runs the phases one after another; `began` is told of each. Ends when every request has. */
export async function runClients(
  port: number,
  phases: readonly Phase[],
  patience: Patience,
  began: (phase: Phase) => void,
): Promise<Answer[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY, maxFreeSockets: 4096 });
  const random = new SeededRandom(42);
  const startMs = performance.now();
  const pending: Promise<Answer>[] = [];
  let atMs = 0;
  let endMs = 0;
  for (const phase of phases) {
    atMs = endMs;
    endMs += phase.durationMs;
    await until(startMs + atMs);
    began(phase);
    for (;;) {
      atMs -= (Math.log(1 - random.next()) * 1000) / phase.perSecond;
      if (atMs >= endMs) break;
      await until(startMs + atMs);
      pending.push(ask(agent, port, startMs, atMs, patience));
    }
  }
  const answers = await Promise.all(pending);
  agent.destroy();
  return answers;
}

function until(dueMs: number): Promise<void> | undefined {
  const leftMs = dueMs - performance.now();
  if (leftMs <= 0) return undefined;
  return new Promise((resolve) => setTimeout(resolve, leftMs));
}

function ask(agent: Agent, port: number, startMs: number, atMs: number, patience: Patience): Promise<Answer> {
  return new Promise((resolve) => {
    const asked = request({ agent, port, host: "127.0.0.1", path: "/" });
    const timer = setTimeout(() => settle(0), Math.max(1, startMs + atMs + patience.giveUpMs - performance.now()));
    const settle = (status: number) => {
      clearTimeout(timer);
      const latencyMs = performance.now() - startMs - atMs;
      resolve({ atMs, latencyMs, status, good: status === 200 && latencyMs <= patience.goodMs });
      if (status <= 0) asked.destroy();
    };
    asked.on("response", (response) => {
      response.on("end", () => settle(response.statusCode ?? -1));
      response.on("error", () => settle(-1));
      response.resume();
    });
    asked.on("error", () => settle(-1));
    asked.end();
  });
}
