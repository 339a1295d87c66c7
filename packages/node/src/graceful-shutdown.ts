// Stopping a server without an error for anybody: first those who send requests are told, then nothing new is let in, then
// what runs may end, and only what outlasts that is cut off.
import { type Clock, systemClock } from "@headgate/core";
import { Connections, type HttpServer } from "./connections.ts";
import { rejectOption } from "@headgate/core/options";
import { checkCallback, checkDuration } from "./options.ts";
import { RunningServer, type ServerHandle } from "./serve.ts";
import { ShutdownError } from "./shutdown-error.ts";

/**
 * `running`; `grace`: not ready, but still serving; `draining`: accepts nothing, what runs may end; `aborting`: what still
 * runs is told to stop; `flushing`; `done`.
 */
export type ShutdownPhase = "running" | "grace" | "draining" | "aborting" | "flushing" | "done";

export interface GracefulShutdownOptions {
  /** What starts it. A second one ends the process with code 1. @default ["SIGTERM", "SIGINT"] */
  readonly signals?: readonly NodeJS.Signals[];
  /**
   * How long the server serves on after it has said that it is not ready: what sends it requests needs that long to
   * notice. 0 where nothing does. @default 5000
   */
  readonly readinessGraceMs?: number;
  /** How long requests may take to end, from when nothing new is let in. @default 20000 */
  readonly drainTimeoutMs?: number;
  /** How long requests that were aborted may take to answer, before their connections are cut. @default 500 */
  readonly abortGraceMs?: number;
  /**
   * Stop what lets work in: consumers of queues, background loops, WebSockets. Its promise belongs to the draining.
   * @default nothing
   */
  readonly onStopAdmitting?: (reason: ShutdownError) => unknown;
  /** Send what would be lost: metrics, logs. Close pools. @default nothing */
  readonly flush?: () => unknown;
  /** @default 2000 */
  readonly flushTimeoutMs?: number;
  /** Is told about every phase as it begins, for the log. @default nobody */
  readonly onPhase?: (phase: ShutdownPhase, trigger: string) => void;
  /** What `onStopAdmitting` or `flush` failed with. The shutdown goes on. @default dropped */
  readonly onError?: (error: unknown) => void;
  /** Ends the process. @default process.exit */
  readonly exit?: (code: number) => void;
  /** @default systemClock */
  readonly clock?: Clock;
}

export interface ShutdownReport {
  readonly trigger: string;
  /** Requests that had not ended by the deadline. */
  readonly aborted: number;
  /** Whether `flush` has ended, without error and in time. */
  readonly flushed: boolean;
  readonly durationMs: number;
}

const sweepMs = 100;

export interface Shutdown {
  readonly phase: ShutdownPhase;
  /** For `/readyz`: false from the beginning of a shutdown. Needs no `this`. */
  readonly isReady: () => boolean;
  /** Aborts with a `ShutdownError` when nothing new is to be let in: for work that waits or starts more work. */
  readonly stopping: AbortSignal;
  /** Aborts with a `ShutdownError` at the deadline: for work that must end now. */
  readonly aborting: AbortSignal;
  /**
   * Starts it, as a signal does; once is enough, later calls are given the same promise. Never rejects.
   *
   * @param trigger for errors and the log.
   * @param readinessGraceMs in place of the option: 0 where somebody else listens on the port already.
   */
  start(trigger: string, readinessGraceMs?: number): Promise<ShutdownReport>;
  /** Listens to signals no longer. */
  dispose(): void;
}

/**
 * Stops servers in order when the process is told to. The order: not ready, and `Connection: close` on every response;
 * the grace period; `stopping` aborts and `onStopAdmitting` is called; the servers accept nothing more and close
 * connections as they become idle; at the deadline `aborting` and the contexts of requests abort, then connections are
 * cut; `flush`; `exit(0)`.
 *
 * @param servers handles of `serve`, or any servers of `node:http` and `node:https`. Contexts of requests are those of
 * handles.
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function gracefulShutdown(
  servers: ServerHandle | HttpServer | readonly (ServerHandle | HttpServer)[],
  options: GracefulShutdownOptions = {},
): Shutdown {
  checkOptions(options);
  const all = (Array.isArray(servers) ? servers : [servers]) as readonly (ServerHandle | HttpServer)[];
  return new Sequence(
    all.map((each) => (each instanceof RunningServer ? each.tracked : new Connections(serverOf(each)))),
    options,
  );
}

function serverOf(target: ServerHandle | HttpServer): HttpServer {
  const server = "server" in target ? target.server : target;
  if (typeof server?.closeIdleConnections !== "function") {
    rejectOption("gracefulShutdown.servers", "a handle of `serve` or a server of `node:http`", target);
  }
  return server;
}

function checkOptions(options: GracefulShutdownOptions): void {
  for (const name of ["readinessGraceMs", "drainTimeoutMs", "abortGraceMs", "flushTimeoutMs"] as const) {
    if (options[name] !== undefined) checkDuration(`gracefulShutdown.${name}`, options[name]);
  }
  for (const name of ["onStopAdmitting", "flush", "onPhase", "onError", "exit"] as const) {
    checkCallback(`gracefulShutdown.${name}`, options[name]);
  }
}

class Sequence implements Shutdown {
  phase: ShutdownPhase = "running";
  readonly isReady = (): boolean => this.phase === "running";
  readonly #servers: readonly Connections[];
  readonly #options: GracefulShutdownOptions;
  readonly #clock: Clock;
  readonly #stopping = new AbortController();
  readonly #aborting = new AbortController();
  readonly #exit: (code: number) => void;
  readonly #onSignal = (signal: NodeJS.Signals): void => {
    if (this.#report === null) void this.start(signal);
    else this.#exit(1);
  };
  #report: Promise<ShutdownReport> | null = null;

  constructor(servers: readonly Connections[], options: GracefulShutdownOptions) {
    const { signals = ["SIGTERM", "SIGINT"], clock = systemClock, exit = (code) => process.exit(code) } = options;
    this.#servers = servers;
    this.#options = options;
    this.#clock = clock;
    this.#exit = exit;
    for (const signal of signals) process.on(signal, this.#onSignal);
  }

  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  get aborting(): AbortSignal {
    return this.#aborting.signal;
  }

  start(trigger: string, readinessGraceMs?: number): Promise<ShutdownReport> {
    const graceMs = readinessGraceMs ?? this.#options.readinessGraceMs ?? 5000;
    if (this.#report === null) {
      checkDuration("shutdown.start.readinessGraceMs", graceMs);
      this.#report = this.#run(trigger, graceMs);
    }
    return this.#report;
  }

  dispose(): void {
    const { signals = ["SIGTERM", "SIGINT"] } = this.#options;
    for (const signal of signals) process.off(signal, this.#onSignal);
  }

  async #run(trigger: string, graceMs: number): Promise<ShutdownReport> {
    const startedMs = this.#clock.now();
    const reason = new ShutdownError(trigger);
    this.#enter("grace", trigger);
    for (const server of this.#servers) server.announceClose();
    if (graceMs > 0) await this.#clock.sleep(graceMs);

    this.#enter("draining", trigger);
    this.#stopping.abort(reason);
    const stopped = this.#guarded(() => this.#options.onStopAdmitting?.(reason));
    const ended = Promise.all([stopped, ...this.#servers.map((server) => server.close())]);
    const aborted = await this.#drain(ended, reason);

    this.#enter("flushing", trigger);
    const flushed = await this.#within(
      this.#guarded(() => this.#options.flush?.()),
      this.#options.flushTimeoutMs ?? 2000,
    );
    this.#enter("done", trigger);
    const durationMs = this.#clock.now() - startedMs;
    this.#exit(0);
    return { trigger, aborted, flushed: flushed === true, durationMs };
  }

  /** Waits for the end of what runs, cuts off what outlasts the deadline, and returns how many requests that were. */
  async #drain(ended: Promise<unknown>, reason: ShutdownError): Promise<number> {
    const { drainTimeoutMs = 20_000, abortGraceMs = 500 } = this.#options;
    let sweep = this.#clock.after(sweepMs, () => again());
    const again = () => {
      for (const server of this.#servers) server.sweep();
      sweep = this.#clock.after(sweepMs, again);
    };
    let aborted = 0;
    if ((await this.#within(ended, drainTimeoutMs)) === late) {
      this.#enter("aborting", reason.trigger);
      this.#aborting.abort(reason);
      for (const server of this.#servers) aborted += server.abort(reason);
      await this.#within(ended, abortGraceMs);
      for (const server of this.#servers) server.destroy();
    }
    sweep.cancel();
    return aborted;
  }

  #enter(phase: ShutdownPhase, trigger: string): void {
    this.phase = phase;
    try {
      this.#options.onPhase?.(phase, trigger);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Resolves to whether it has ended without error. */
  async #guarded(work: () => unknown): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  #failed(error: unknown): void {
    try {
      this.#options.onError?.(error);
    } catch {
      // Telling must not keep the process from stopping.
    }
  }

  async #within<T>(work: Promise<T>, limitMs: number): Promise<T | typeof late> {
    let expire: () => void = () => {};
    const expired = new Promise<typeof late>((resolve) => {
      expire = () => resolve(late);
    });
    const timer = this.#clock.after(limitMs, expire);
    const first = await Promise.race([work, expired]);
    timer.cancel();
    return first;
  }
}

const late: unique symbol = Symbol("late");
