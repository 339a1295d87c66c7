// Several processes behind one port. The primary accepts and hands connections around, and looks after the workers; it
// serves nothing itself.
import cluster from "node:cluster";
import { availableParallelism } from "node:os";
import { type Clock, systemClock } from "@headgate/core";
import { ClusterPrimary } from "./cluster-primary.ts";
import { runWorker } from "./cluster-worker.ts";
import type { MergeableMetric } from "@headgate/core/metrics";
import { checkInteger, rejectOption } from "@headgate/core/options";
import { checkCallback, checkDuration } from "./options.ts";

/** What a worker runs. */
export interface ClusterService<M extends MergeableMetric = MergeableMetric> {
  /**
   * Ends in order; the worker's process ends when this has settled. `reload` is true when a successor listens already.
   */
  stop(trigger: string, reload: boolean): unknown;
  /** What was counted in this worker. @default nothing */
  collect?(): readonly M[];
}

/** What a worker knows of the others. */
export interface ClusterPeers<M extends MergeableMetric = MergeableMetric> {
  /** The metrics of all workers as those of one. Rejects when the primary does not answer. */
  collect(): Promise<M[]>;
}

export type ClusterEvent =
  | { readonly type: "cluster.worker-ready"; readonly pid: number }
  | {
      readonly type: "cluster.worker-exited";
      readonly pid: number;
      readonly code: number | null;
      readonly signal: string | null;
      /** Whether it was told to. */
      readonly expected: boolean;
    }
  | { readonly type: "cluster.worker-restarting"; readonly delayMs: number; readonly crashes: number }
  | { readonly type: "cluster.worker-killed"; readonly pid: number }
  | { readonly type: "cluster.reloaded" }
  | { readonly type: "cluster.reload-failed"; readonly error: unknown };

export interface ClusterOptions<M extends MergeableMetric = MergeableMetric> {
  /** In each worker: starts what it serves, and resolves when that listens. */
  readonly start: (peers: ClusterPeers<M>) => ClusterService<M> | Promise<ClusterService<M>>;
  /** @default one for each core that the process may use */
  readonly workers?: number;
  /** How long a worker may take to start. @default 30000 */
  readonly startTimeoutMs?: number;
  /** How long a worker may take to stop before it is killed. @default 30000 */
  readonly stopTimeoutMs?: number;
  /** How long to wait for the metrics of a worker before its last ones are taken. @default 1000 */
  readonly collectTimeoutMs?: number;
  /** The first wait before a crashed worker is started again; it doubles with each crash. @default 500 */
  readonly restartMinMs?: number;
  /** @default 30000 */
  readonly restartMaxMs?: number;
  /** A worker that has served so long has recovered: its next crash is the first again. @default 60000 */
  readonly healthyMs?: number;
  /** Is told what happens to workers. In the primary. @default nobody */
  readonly onEvent?: (event: ClusterEvent) => void;
  /** Ends the primary. @default process.exit */
  readonly exit?: (code: number) => void;
  /** Of the primary. @default systemClock */
  readonly clock?: Clock;
}

/** All options, with the defaults in place. */
export type ClusterSettings<M extends MergeableMetric> = Required<Omit<ClusterOptions<M>, "start">>;

/**
 * Runs the script that calls it as a cluster: in the first process as the primary, in those that it starts as workers.
 *
 * The primary takes SIGTERM and SIGINT to stop all workers in order and exit with 0, a second one to kill them and exit
 * with 1, and SIGHUP to replace the workers one by one. A worker that crashes is started again after a back-off.
 *
 * @returns in the primary, when all workers listen. In a worker it never settles.
 * @throws {InvalidOptionError} for options out of bounds.
 * @throws what a worker failed with while the cluster started: an error of configuration would only repeat itself.
 */
export async function runCluster<M extends MergeableMetric = MergeableMetric>(
  options: ClusterOptions<M>,
): Promise<ClusterPrimary<M>> {
  const settings = checked(options);
  if (cluster.isPrimary) {
    const primary = new ClusterPrimary<M>(settings);
    await primary.start();
    return primary;
  }
  await runWorker(options.start);
  return new Promise(() => {});
}

function checked<M extends MergeableMetric>(options: ClusterOptions<M>): ClusterSettings<M> {
  const { start, ...given } = options;
  if (typeof start !== "function") rejectOption("runCluster.start", "a function", start);
  const settings = {
    workers: availableParallelism(),
    startTimeoutMs: 30_000,
    stopTimeoutMs: 30_000,
    collectTimeoutMs: 1000,
    restartMinMs: 500,
    restartMaxMs: 30_000,
    healthyMs: 60_000,
    onEvent: () => {},
    exit: (code: number) => process.exit(code),
    clock: systemClock,
    ...given,
  };
  checkInteger("runCluster.workers", settings.workers, 1, 1024);
  for (const name of ["startTimeoutMs", "stopTimeoutMs", "collectTimeoutMs", "restartMinMs", "healthyMs"] as const) {
    checkDuration(`runCluster.${name}`, settings[name], 1);
  }
  checkDuration("runCluster.restartMaxMs", settings.restartMaxMs, settings.restartMinMs);
  checkCallback("runCluster.onEvent", settings.onEvent);
  checkCallback("runCluster.exit", settings.exit);
  return settings;
}
