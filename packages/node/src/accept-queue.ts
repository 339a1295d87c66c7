// The kernel's queue of connections that are established and not yet accepted by the process: what grows while the event
// loop is blocked. Only Linux tells, in /proc.
import { closeSync, openSync, readSync } from "node:fs";

/** Sockets that listen stand first in these files: enough for some 400 of them. */
const maxReadBytes = 65_536;
const listening = "0A";

/**
 * How many connections wait to be accepted on this port, on any address. Undefined where the system does not tell.
 * Synchronous, because by the time of an asynchronous answer the loop would have accepted them; some 50 µs.
 */
export function acceptQueueLength(port: number): number | undefined {
  const lengths = ["/proc/self/net/tcp", "/proc/self/net/tcp6"].flatMap((path) => queuesOf(readStart(path), port));
  return lengths.length === 0 ? undefined : lengths.reduce((sum, length) => sum + length, 0);
}

/** @internal The queues of the sockets that listen on this port, from the text of /proc/net/tcp. */
export function queuesOf(text: string, port: number): number[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return text.split("\n").flatMap((line) => {
    const [, local, , state, queues] = line.trim().split(/\s+/);
    if (state !== listening || !local?.endsWith(suffix)) return [];
    return [Number.parseInt(queues?.split(":")[1] ?? "0", 16)];
  });
}

function readStart(path: string): string {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return "";
  }
  try {
    const buffer = Buffer.alloc(maxReadBytes);
    return buffer.toString("latin1", 0, readSync(file, buffer, 0, maxReadBytes, 0));
  } finally {
    closeSync(file);
  }
}
