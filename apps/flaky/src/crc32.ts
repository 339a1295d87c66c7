// CRC-32 over a stream, because the digests of Web Crypto need the whole message at once.
// Source: ISO 3309 / RFC 1952 section 8, the same as in gzip and in `zlib.crc32` of Node and Python.

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit += 1) {
    remainder = remainder & 1 ? (remainder >>> 1) ^ 0xedb88320 : remainder >>> 1;
  }
  return remainder;
});

/** Continues a checksum, 0 at the start, with the next bytes. An unsigned 32-bit integer. */
export function crc32(bytes: Uint8Array, checksum = 0): number {
  let remainder = ~checksum;
  for (const byte of bytes) remainder = (remainder >>> 8) ^ (table[(remainder ^ byte) & 0xff] as number);
  return ~remainder >>> 0;
}

/** A checksum as eight hexadecimal digits. */
export function toHex(checksum: number): string {
  return checksum.toString(16).padStart(8, "0");
}
