// What `Server-Timing` tells a client of one request, where a route is told to: it shows how the inside is doing.
import type { Clock } from "@headgate/core";

/** Three parts that follow each other, up to the headers of the response. */
export class ServerTiming {
  readonly #clock: Clock;
  readonly #beganMs: number;
  #firstMs: number | undefined = undefined;
  #lastMs = 0;
  #attempts = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#beganMs = clock.now();
  }

  /** The request is sent to the upstream. */
  sent(): void {
    this.#lastMs = this.#clock.now();
    this.#firstMs ??= this.#lastMs;
    this.#attempts++;
  }

  /** The field's value (W3C Server Timing), now that the headers are there; durations in milliseconds. */
  toString(): string {
    const nowMs = this.#clock.now();
    const firstMs = this.#firstMs ?? nowMs;
    const parts = [`queue;dur=${ms(firstMs - this.#beganMs)}`];
    if (this.#attempts > 1) parts.push(`retry;desc="${this.#attempts - 1}";dur=${ms(this.#lastMs - firstMs)}`);
    parts.push(`upstream;dur=${ms(nowMs - this.#lastMs)}`);
    return parts.join(", ");
  }
}

function ms(duration: number): string {
  return Math.max(0, duration).toFixed(1);
}
