// A server of some workers with one queue in front of them, first come, first served.
import type { Random } from "@headgate/core";
import type { VirtualTime } from "./virtual-time.ts";

/** How long a piece of work takes in milliseconds. */
export type Service = (random: Random) => number;

export const exponential =
  (meanMs: number): Service =>
  (random) =>
    -Math.log(1 - random.next()) * meanMs;

/** `share` of the work takes `longMs`, all other `shortMs`. */
export const bimodal =
  (shortMs: number, longMs: number, share: number): Service =>
  (random) =>
    random.next() < share ? longMs : shortMs;

interface Job {
  readonly serviceMs: number;
  readonly end: () => void;
  state: "waiting" | "running" | "stuck" | "over";
}

export class Server {
  /** Work that starts from now on takes so many times as long. */
  slowness = 1;
  #hanging = false;
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #service: Service;
  #free: number;
  #waiting: Job[] = [];
  #head = 0;
  readonly #stuck = new Set<Job>();

  constructor(time: VirtualTime, random: Random, workers: number, service: Service) {
    this.#time = time;
    this.#random = random;
    this.#free = workers;
    this.#service = service;
  }

  /** While it hangs nothing is finished. What has hung so long ends with it. */
  set hanging(hanging: boolean) {
    this.#hanging = hanging;
    if (hanging) return;
    for (const job of this.#stuck) this.#finish(job);
    this.#stuck.clear();
  }

  /** Resolves when the work is done. When the signal aborts, the client has closed its connection: the work is given up. */
  serve(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      let abort: (() => void) | undefined;
      const job: Job = {
        serviceMs: this.#service(this.#random),
        end: () => {
          if (abort) signal?.removeEventListener("abort", abort);
          resolve();
        },
        state: "waiting",
      };
      if (signal) {
        abort = () => {
          this.#giveUp(job);
          reject(signal.reason);
        };
        signal.addEventListener("abort", abort, { once: true });
      }
      if (this.#free > 0) this.#start(job);
      else this.#waiting.push(job);
    });
  }

  #start(job: Job): void {
    this.#free--;
    job.state = "running";
    this.#time.after(job.serviceMs * this.slowness, () => this.#done(job));
  }

  #done(job: Job): void {
    if (job.state !== "running") return;
    if (!this.#hanging) return this.#finish(job);
    job.state = "stuck";
    this.#stuck.add(job);
  }

  #finish(job: Job): void {
    job.state = "over";
    this.#release();
    job.end();
  }

  #giveUp(job: Job): void {
    const { state } = job;
    job.state = "over";
    if (state === "running" || state === "stuck") {
      this.#stuck.delete(job);
      this.#release();
    }
  }

  #release(): void {
    this.#free++;
    while (this.#head < this.#waiting.length) {
      const job = this.#waiting[this.#head++] as Job;
      if (this.#head > 1024 && this.#head * 2 > this.#waiting.length) {
        this.#waiting = this.#waiting.slice(this.#head);
        this.#head = 0;
      }
      if (job.state === "over") continue;
      this.#start(job);
      return;
    }
  }
}
