// Load on loopback: requests at a steady rate, whether or not earlier ones were answered. Bounded in time and count. Latency counts
// from when a request is sent: that this process was late to send it, beside what it disturbs, is not the server's doing.
import { request } from "node:http";

/** The most that one run may send. */
const MAX_REQUESTS = 50_000;

/**
 * @param {{ url: string, perSecond: number, agent: import("node:http").Agent, maxMs: number, stop: () => boolean }} options
 *   `stop` is asked before each request; the run ends when it says so, or after `maxMs`
 * @returns {Promise<{ sent: number, statuses: Record<number, number>, errors: Record<string, number>, latenciesMs: number[] }>}
 *   once everything that was sent has ended
 */
export async function openLoop({ url, perSecond, agent, maxMs, stop }) {
  const result = { sent: 0, statuses: {}, errors: {}, latenciesMs: [] };
  const running = new Set();
  const startMs = performance.now();
  while (!stop() && performance.now() - startMs < maxMs && result.sent < MAX_REQUESTS) {
    const dueByNow = Math.floor(((performance.now() - startMs) / 1000) * perSecond);
    while (result.sent < dueByNow && !stop()) {
      result.sent += 1;
      const sending = get(url, agent, result).finally(() => running.delete(sending));
      running.add(sending);
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await Promise.all(running);
  return result;
}

function get(url, agent, result) {
  const startMs = performance.now();
  return new Promise((resolve) => {
    const fail = (error) => {
      const name = error.code ?? error.message;
      result.errors[name] = (result.errors[name] ?? 0) + 1;
      resolve();
    };
    const sent = request(url, { agent, timeout: 15_000 }, (response) => {
      response.resume();
      response.on("error", fail);
      response.on("end", () => {
        const { statusCode } = response;
        result.statuses[statusCode] = (result.statuses[statusCode] ?? 0) + 1;
        result.latenciesMs.push(performance.now() - startMs);
        resolve();
      });
    });
    sent.on("error", fail);
    sent.on("timeout", () => sent.destroy(new Error("timeout")));
    sent.end();
  });
}

/** The value that this share of the values does not exceed. */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
