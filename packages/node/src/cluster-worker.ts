// A worker's side of a cluster.
import type { ClusterPeers, ClusterService } from "./cluster.ts";
import { isOurs, type ToPrimary, type ToWorker } from "./cluster-messages.ts";
import type { MergeableMetric } from "@headgate/core/metrics";

/** Longer than the primary waits for the slowest of the workers. */
const collectTimeoutMs = 10_000;
/** How long the primary may take to let a worker go. */
const releaseTimeoutMs = 2000;

export async function runWorker<M extends MergeableMetric>(
  start: (peers: ClusterPeers<M>) => ClusterService<M> | Promise<ClusterService<M>>,
): Promise<void> {
  const worker = new Worker<M>();
  // Told by the primary: a terminal's Ctrl+C reaches all processes, and must not count twice.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => void worker.stop("SIGTERM", false));
  process.on("message", (message: unknown) => {
    if (isOurs(message)) worker.receive(message as ToWorker);
  });
  try {
    worker.service = await start({ collect: () => worker.collectAll() });
    await send({ headgate: "ready" });
  } catch (error) {
    await send({ headgate: "failed", message: error instanceof Error ? error.message : String(error) });
    process.exit(1);
  }
}

class Worker<M extends MergeableMetric> {
  service: ClusterService<M> | null = null;
  #stopping = false;
  #lastId = 0;
  readonly #released = Promise.withResolvers<void>();
  readonly #waiting = new Map<number, (metrics: M[]) => void>();

  receive(message: ToWorker): void {
    if (message.headgate === "stop") void this.stop(message.trigger, message.reload);
    else if (message.headgate === "collect") void this.#sendSnapshot(message.id);
    else if (message.headgate === "released") this.#released.resolve();
    else {
      this.#waiting.get(message.id)?.([...message.metrics] as M[]);
      this.#waiting.delete(message.id);
    }
  }

  collectAll(): Promise<M[]> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`The primary has not sent the metrics within ${collectTimeoutMs} ms`));
      }, collectTimeoutMs);
      this.#waiting.set(id, (metrics) => {
        clearTimeout(timer);
        resolve(metrics);
      });
      void send({ headgate: "collect-all", id });
    });
  }

  async stop(trigger: string, reload: boolean): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    let code = 0;
    try {
      await this.service?.stop(trigger, reload);
      await this.#release();
      // Behind the connections that were handed back, so that those are on their way as well.
      await this.#sendSnapshot(undefined);
    } catch {
      code = 1;
    }
    process.exit(code);
  }

  /**
   * Waits until no connection can be on its way to this worker any more. `node:cluster` hands those back that come once the
   * server is closed; one that comes to a process that has ended would wait for ever.
   */
  async #release(): Promise<void> {
    await send({ headgate: "stopped" });
    if (!process.connected) return;
    const timer = setTimeout(() => this.#released.resolve(), releaseTimeoutMs);
    await this.#released.promise;
    clearTimeout(timer);
  }

  async #sendSnapshot(id: number | undefined): Promise<void> {
    await send({ headgate: "snapshot", id, metrics: this.service?.collect?.() ?? [] });
  }
}

/** Resolves when it is on its way. A primary that is gone ends this process by itself. */
function send(message: ToPrimary): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });
}
