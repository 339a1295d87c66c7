// What the tests share: a server of their own, and waiting for something to become true.
import { afterEach } from "vitest";
import type { Mode, RoomCounts } from "../src/app.ts";
import { type ServedFlaky, type ServeFlakyOptions, serveFlaky } from "../src/node.ts";

const started: ServedFlaky[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((flaky) => flaky.close()));
});

/** Starts a server that is closed after the test. */
export async function startFlaky(options?: ServeFlakyOptions): Promise<ServedFlaky> {
  const flaky = await serveFlaky(options);
  started.push(flaky);
  return flaky;
}

export interface Report {
  readonly mode: Mode;
  readonly counts: RoomCounts;
}

export async function report({ url }: { readonly url: string }): Promise<Report> {
  const response = await fetch(`${url}/_mode`);
  return (await response.json()) as Report;
}

export async function setMode({ url }: { readonly url: string }, mode: Partial<Mode>): Promise<Report> {
  const response = await fetch(`${url}/_mode`, { method: "PUT", body: JSON.stringify(mode) });
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()) as Report;
}

/** Asks again until the counts are as expected; fails with what they were when the time is up. */
export async function countsBecome(
  server: { readonly url: string },
  expected: Partial<RoomCounts>,
  deadlineMs = 30_000,
): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const { counts } = await report(server);
    if (Object.entries(expected).every(([name, value]) => counts[name as keyof RoomCounts] === value)) return;
    if (performance.now() > deadline) {
      throw new Error(`the counts did not become ${JSON.stringify(expected)}: ${JSON.stringify(counts)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Sends a request that its caller can leave. */
export function leavableFetch(url: string): {
  readonly outcome: Promise<Response | "left">;
  readonly leave: () => void;
} {
  const controller = new AbortController();
  const outcome = fetch(url, { signal: controller.signal }).catch((error: unknown) => {
    if (controller.signal.aborted) return "left" as const;
    throw error;
  });
  return { outcome, leave: () => controller.abort() };
}

/** The error message of an answer. */
export async function errorOf(response: Response): Promise<string> {
  return ((await response.json()) as { readonly error: string }).error;
}

/** Why a request or the reading of its answer failed: the code of the underlying error. */
export async function failureCode(attempt: Promise<unknown>): Promise<string | undefined> {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason as Error & { readonly cause?: { readonly code?: string } },
  );
  return error?.cause?.code;
}
