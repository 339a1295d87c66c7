// What counts as bytes.

/** A `Uint8Array`, an `ArrayBuffer`, a `DataView`, … */
export interface ByteChunk {
  readonly byteLength: number;
}

/** The bytes of a chunk. A limit must not let through uncounted what it cannot count, such as text. */
export function bytesOf(place: string, chunk: ByteChunk): number {
  const bytes: unknown = (chunk as Partial<ByteChunk> | null | undefined)?.byteLength;
  if (typeof bytes === "number") return bytes;
  throw new TypeError(`\`${place}\` takes chunks with a byteLength, got ${chunk === null ? "null" : typeof chunk}`);
}
