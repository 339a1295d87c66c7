// Processes of a benchmark over HTTP: the upstream, the contenders and the load generator each have one of their own, so that
// what is measured shares neither heap nor event loop with what measures it. One question at a time.
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export interface Usage {
  /** Processor time since the process started, user and system. */
  readonly cpuMicros: number;
  readonly rssBytes: number;
}

const answerMs = 60_000;

export class Child {
  readonly #process: ReturnType<typeof fork>;

  /** `script` is named from this folder; `parameters` are its arguments. */
  constructor(script: string, ...parameters: readonly string[]) {
    this.#process = fork(fileURLToPath(new URL(script, import.meta.url)), parameters);
  }

  /** What the child says next: its port when it is ready, or the answer to a question. */
  async next<T>(): Promise<T> {
    const abort = new AbortController();
    const died = once(this.#process, "exit", abort).then(([code, signal]) => {
      throw new Error(`A child process ended with ${code ?? signal}`);
    });
    try {
      const said = once(this.#process, "message", {
        signal: AbortSignal.any([abort.signal, AbortSignal.timeout(answerMs)]),
      });
      const [answer] = await Promise.race([said, died]);
      return answer as T;
    } finally {
      abort.abort();
      died.catch(() => {});
    }
  }

  ask<T>(question: unknown): Promise<T> {
    this.#process.send(question as object);
    return this.next();
  }

  usage(): Promise<Usage> {
    return this.ask("usage");
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const ended = once(this.#process, "exit");
    this.#process.kill();
    await ended;
  }
}

/** In a child: says that its server is ready, answers for what it uses, and ends with the parent. */
export function announce(port: number): void {
  process.on("message", () => {
    const { user, system } = process.cpuUsage();
    process.send?.({ cpuMicros: user + system, rssBytes: process.memoryUsage.rss() } satisfies Usage);
  });
  process.on("disconnect", () => process.exit());
  process.send?.(port);
}
