import type { Random } from "../random.ts";

/** The same numbers for the same seed. Source: mulberry32 by Tommy Ettinger, public domain. */
export class SeededRandom implements Random {
  #state: number;

  /** @param seed an integer; its low 32 bits count. */
  constructor(seed: number) {
    this.#state = seed | 0;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let bits = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 4_294_967_296;
  }
}
