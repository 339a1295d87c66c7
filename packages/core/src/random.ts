/** A source of chance. `next()` returns a number in [0, 1). */
export interface Random {
  next(): number;
}

/** `Math.random`, first used inside a call: Workers allow no chance at module scope to be frozen into a deployment. */
export const systemRandom: Random = { next: () => Math.random() };
