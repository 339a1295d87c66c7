// The primary of a cluster: keeps as many workers alive as it was asked to.
import cluster, { type Worker } from "node:cluster";
import type { Clock, ClockTimer } from "@headgate/core";
import type { ClusterEvent, ClusterSettings } from "./cluster.ts";
import { ClusterMember } from "./cluster-member.ts";
import { type MergeableMetric, mergeMetrics, onlyTotals } from "@headgate/core/metrics";

/** A worker's place: who stands in it changes, how often that one has crashed does not. */
interface Slot<M extends MergeableMetric> {
  member: ClusterMember<M> | null;
  crashes: number;
  /** Of the next start, while the place is empty. */
  restart: ClockTimer | null;
}

export class ClusterPrimary<M extends MergeableMetric = MergeableMetric> {
  readonly #settings: ClusterSettings<M>;
  readonly #clock: Clock;
  readonly #forkWorker: () => Worker;
  readonly #slots: Slot<M>[];
  /** All that run, those included that a reload is about to stop. */
  readonly #members = new Set<ClusterMember<M>>();
  readonly #onSignal = (signal: NodeJS.Signals): void => {
    if (this.#stopped === null) void this.stop(signal);
    else this.#kill();
  };
  readonly #onReload = (): void => void this.reload().catch(() => {});
  /** What workers that have ended had counted. */
  #retired: M[] = [];
  /** Whether every worker has been ready: until then one that ends ends the start. */
  #up = false;
  #reloading: Promise<void> | null = null;
  #stopped: Promise<void> | null = null;

  /** @internal See `runCluster`. */
  constructor(settings: ClusterSettings<M>, fork: () => Worker = () => cluster.fork()) {
    this.#settings = settings;
    this.#forkWorker = fork;
    this.#clock = settings.clock;
    this.#slots = Array.from({ length: settings.workers }, () => ({ member: null, crashes: 0, restart: null }));
  }

  /** The process ids of the workers that serve. */
  get pids(): readonly number[] {
    return Array.from(this.#members).flatMap(({ ready, pid }) => (ready ? [pid] : []));
  }

  /** @internal */
  async start(): Promise<void> {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, this.#onSignal);
    process.on("SIGHUP", this.#onReload);
    const members = this.#slots.map((slot) => (slot.member = this.#fork(slot)));
    try {
      await Promise.all(members.map((member) => member.started));
    } catch (error) {
      this.#stopped = this.#end("the cluster could not start");
      await this.#stopped;
      this.#removeListeners();
      throw error;
    }
    this.#up = true;
    for (const slot of this.#slots) if (slot.member === null) this.#restart(slot);
  }

  /**
   * The metrics of all workers as those of one. Totals of workers that have ended remain; a worker that does not answer in
   * time stands for what it said last.
   */
  async collect(): Promise<M[]> {
    // As it is now: a worker that ends meanwhile is among those that are asked.
    const retired = this.#retired;
    const live = await Promise.all(Array.from(this.#members, (member) => member.collect()));
    return mergeMetrics<M>([retired, ...live]);
  }

  /**
   * Replaces the workers one by one: the next is only stopped when its successor listens. While one runs, the same promise.
   *
   * @throws what the first successor failed with that did not start; the workers that are left stay.
   */
  reload(): Promise<void> {
    this.#reloading ??= this.#reload().finally(() => {
      this.#reloading = null;
    });
    return this.#reloading;
  }

  /** Stops all workers in order and ends the primary with code 0. */
  stop(trigger: string): Promise<void> {
    this.#stopped ??= this.#end(trigger).then(() => this.#settings.exit(0));
    return this.#stopped;
  }

  async #end(trigger: string): Promise<void> {
    for (const { restart } of this.#slots) restart?.cancel();
    await Promise.all(Array.from(this.#members, (member) => member.stop(trigger, false)));
  }

  #kill(): void {
    for (const member of this.#members) member.kill();
    this.#settings.exit(1);
  }

  #removeListeners(): void {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.off(signal, this.#onSignal);
    process.off("SIGHUP", this.#onReload);
  }

  async #reload(): Promise<void> {
    for (const slot of this.#slots) {
      if (this.#stopped !== null) return;
      const successor = this.#fork(slot);
      try {
        await successor.started;
      } catch (error) {
        this.#emit({ type: "cluster.reload-failed", error });
        throw error;
      }
      // The place may have been empty, or its worker may have crashed meanwhile.
      slot.restart?.cancel();
      slot.restart = null;
      const predecessor = slot.member;
      slot.member = successor;
      slot.crashes = 0;
      await predecessor?.stop("reload", true);
    }
    this.#emit({ type: "cluster.reloaded" });
  }

  #fork(slot: Slot<M>): ClusterMember<M> {
    const member = new ClusterMember<M>(this.#forkWorker(), this.#settings, {
      emit: (event) => this.#emit(event),
      collectAll: () => this.collect(),
    });
    this.#members.add(member);
    void member.exited.then(() => this.#left(slot, member));
    return member;
  }

  #left(slot: Slot<M>, member: ClusterMember<M>): void {
    this.#members.delete(member);
    this.#retired = mergeMetrics<M>([this.#retired, onlyTotals(member.lastSnapshot)]);
    if (slot.member !== member) return;
    slot.member = null;
    if (member.servedMs >= this.#settings.healthyMs) slot.crashes = 0;
    if (this.#up) this.#restart(slot);
  }

  /** Fills an empty place, after a wait that grows with each crash. */
  #restart(slot: Slot<M>): void {
    if (this.#stopped !== null) return;
    const { restartMinMs, restartMaxMs } = this.#settings;
    const delayMs = Math.min(restartMaxMs, restartMinMs * 2 ** slot.crashes++);
    this.#emit({ type: "cluster.worker-restarting", delayMs, crashes: slot.crashes });
    slot.restart = this.#clock.after(delayMs, () => {
      slot.restart = null;
      slot.member = this.#fork(slot);
    });
  }

  #emit(event: ClusterEvent): void {
    try {
      this.#settings.onEvent(event);
    } catch {
      // Telling must not keep the workers from being looked after.
    }
  }
}
