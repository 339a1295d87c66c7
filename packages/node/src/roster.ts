// Who is here now, where they come and go thousands of times a second. A Map or a Set makes a new table every few dozen
// changes, and what a discarded one still names survives young collections with it: of a gateway's requests that was 4 KB each.

/** A member's place. */
export interface Seat<T> {
  readonly value: T;
  /** Changes as others leave; -1 once it has been given back. */
  index: number;
}

/** Values in no particular order; to join and to leave take constant time and leave nothing behind. */
export class Roster<T> {
  readonly #seats: Seat<T>[] = [];

  get size(): number {
    return this.#seats.length;
  }

  /** The place to give back with `leave`. A value may join more than once. */
  join(value: T): Seat<T> {
    const seat: Seat<T> = { value, index: this.#seats.length };
    this.#seats.push(seat);
    return seat;
  }

  /** Gives a place back. Once is enough; another time does nothing. */
  leave(seat: Seat<T>): void {
    const { index } = seat;
    if (index < 0) return;
    seat.index = -1;
    const last = this.#seats.pop() as Seat<T>;
    if (last === seat) return;
    this.#seats[index] = last;
    last.index = index;
  }

  /** Those that are here at this moment. */
  values(): T[] {
    return this.#seats.map(({ value }) => value);
  }
}
