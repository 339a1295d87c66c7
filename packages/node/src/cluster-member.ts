// One worker as the primary sees it, from its start to its end.
import type { Worker } from "node:cluster";
import type { Clock } from "@headgate/core";
import type { ClusterEvent, ClusterSettings } from "./cluster.ts";
import { isOurs, type ToPrimary, type ToWorker } from "./cluster-messages.ts";
import { type MergeableMetric, onlyTotals } from "@headgate/core/metrics";

/** What a member needs of the primary. */
interface Owner<M extends MergeableMetric> {
  emit(event: ClusterEvent): void;
  collectAll(): Promise<readonly M[]>;
}

export class ClusterMember<M extends MergeableMetric> {
  /** Settles when the worker listens, or has failed to. */
  readonly started: Promise<void>;
  readonly exited: Promise<void>;
  /** What it has said last; only its totals, once it has ended. */
  lastSnapshot: readonly M[] = [];
  readonly #worker: Worker;
  readonly #settings: ClusterSettings<M>;
  readonly #owner: Owner<M>;
  readonly #clock: Clock;
  readonly #starting = Promise.withResolvers<void>();
  readonly #exiting = Promise.withResolvers<void>();
  readonly #collecting = new Map<number, () => void>();
  #lastId = 0;
  #readyAtMs: number | null = null;
  #over = false;
  #stopping = false;

  constructor(worker: Worker, settings: ClusterSettings<M>, owner: Owner<M>) {
    this.#worker = worker;
    this.#settings = settings;
    this.#owner = owner;
    this.#clock = settings.clock;
    this.started = this.#starting.promise;
    this.exited = this.#exiting.promise;
    // Who forked it may not be waiting for it.
    this.started.catch(() => {});
    const { startTimeoutMs } = settings;
    const timer = this.#clock.after(startTimeoutMs, () => {
      this.#starting.reject(new Error(`A worker did not start within ${startTimeoutMs} ms`));
      this.kill();
    });
    void this.started.then(
      () => timer.cancel(),
      () => timer.cancel(),
    );
    worker.on("message", (message: unknown) => {
      if (isOurs(message)) this.#receive(message as ToPrimary);
    });
    worker.once("exit", (code: number | null, signal: string | null) => this.#exit(code, signal));
    worker.on("error", (error: Error) => {
      this.#starting.reject(error);
      // A process that could not be made at all does not exit.
      if (worker.process.pid === undefined) this.#exit(null, null);
    });
  }

  get pid(): number {
    return this.#worker.process.pid ?? 0;
  }

  /** Whether it serves. */
  get ready(): boolean {
    return this.#readyAtMs !== null && !this.#over && !this.#stopping;
  }

  /** For how long it has served; 0 for one that never did. */
  get servedMs(): number {
    return this.#readyAtMs === null ? 0 : this.#clock.now() - this.#readyAtMs;
  }

  /** Stops it in order, after `stopTimeoutMs` by force. Resolves when it has ended. */
  stop(trigger: string, reload: boolean): Promise<void> {
    if (this.#stopping || this.#over) return this.exited;
    this.#stopping = true;
    this.#send({ headgate: "stop", trigger, reload });
    const timer = this.#clock.after(this.#settings.stopTimeoutMs, () => this.kill());
    void this.exited.then(() => timer.cancel());
    return this.exited;
  }

  kill(): void {
    if (this.#over) return;
    this.#owner.emit({ type: "cluster.worker-killed", pid: this.pid });
    this.#worker.process.kill("SIGKILL");
  }

  /** What it has counted; what it said last, if it does not answer in time. */
  async collect(): Promise<readonly M[]> {
    if (this.#readyAtMs === null || this.#over) return this.lastSnapshot;
    const id = ++this.#lastId;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#collecting.set(id, resolve);
    const timer = this.#clock.after(this.#settings.collectTimeoutMs, resolve);
    this.#send({ headgate: "collect", id });
    await promise;
    timer.cancel();
    this.#collecting.delete(id);
    return this.lastSnapshot;
  }

  #receive(message: ToPrimary): void {
    if (message.headgate === "ready") {
      this.#readyAtMs = this.#clock.now();
      this.#starting.resolve();
      this.#owner.emit({ type: "cluster.worker-ready", pid: this.pid });
    } else if (message.headgate === "failed") {
      this.#starting.reject(new Error(message.message));
    } else if (message.headgate === "stopped") {
      this.#send({ headgate: "released" });
    } else if (message.headgate === "snapshot") {
      this.lastSnapshot = message.metrics as readonly M[];
      if (message.id !== undefined) this.#collecting.get(message.id)?.();
    } else if (message.headgate === "collect-all") {
      const { id } = message;
      void this.#owner.collectAll().then((metrics) => this.#send({ headgate: "merged", id, metrics }));
    }
  }

  #exit(code: number | null, signal: string | null): void {
    if (this.#over) return;
    this.#over = true;
    this.lastSnapshot = onlyTotals(this.lastSnapshot);
    for (const resolve of this.#collecting.values()) resolve();
    this.#starting.reject(new Error(`A worker ended before it listened (${signal ?? `code ${code}`})`));
    this.#owner.emit({ type: "cluster.worker-exited", pid: this.pid, code, signal, expected: this.#stopping });
    this.#exiting.resolve();
  }

  #send(message: ToWorker): void {
    // A worker that is gone is noticed by its exit.
    this.#worker.process.send?.(message, undefined, undefined, () => {});
  }
}
