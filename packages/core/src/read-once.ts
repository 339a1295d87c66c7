// Values that only one call may be given: they can be read once, and on Workers they belong to the request that made them.

/** Something to read from that does not start anew: a web stream, a Node stream, an iterator. */
function isSource(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { getReader, pipe, next } = value as { getReader?: unknown; pipe?: unknown; next?: unknown };
  return typeof getReader === "function" || typeof pipe === "function" || typeof next === "function";
}

/**
 * True for a `Request` or `Response`, for a stream or an iterator, and for an object whose `body` is one. Deeper it does
 * not look.
 */
export function isReadOnce(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return "bodyUsed" in value || isSource(value) || isSource((value as { readonly body?: unknown }).body);
}
