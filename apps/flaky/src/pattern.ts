// The bytes that the streaming routes send: anyone can recompute them, and a chunk that is lost, doubled or in
// the wrong order shows.

/** A prime, so that no chunk size in use is a multiple of the period. */
const PERIOD = 251;

/** `length` bytes of the pattern from `start` on: the byte at index i is i modulo 251. */
export function patternBytes(start: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  const first = Math.min(length, PERIOD);
  for (let index = 0; index < first; index += 1) bytes[index] = (start + index) % PERIOD;
  // The rest repeats: each copy doubles what is there.
  for (let filled = first; filled < length; filled *= 2) bytes.copyWithin(filled, 0, Math.min(filled, length - filled));
  return bytes;
}
