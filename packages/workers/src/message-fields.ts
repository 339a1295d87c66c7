// What every message between isolates and a Durable Object is checked with: the other side may be of another version.

export type Unknowns = Readonly<Record<string, unknown>>;

/** @throws {TypeError} for anything but an object of this version. */
export function readVersion(text: string, version: number): Unknowns {
  const message = record(JSON.parse(text));
  if (message["version"] !== version)
    throw new TypeError(`A message of version ${version} was expected, not ${String(message["version"])}`);
  return message;
}

export function record(value: unknown): Unknowns {
  if (typeof value !== "object" || value === null) throw new TypeError(`An object was expected, not ${typeof value}`);
  return value as Unknowns;
}

export function listOf<T>(value: unknown, maxEntries: number, read: (item: unknown) => T): readonly T[] {
  if (!Array.isArray(value) || value.length > maxEntries)
    throw new TypeError(`A list of at most ${maxEntries} entries was expected`);
  return value.map(read);
}

export function recordsOf<T>(value: unknown, maxEntries: number, read: (item: Unknowns) => T): readonly T[] {
  return listOf(value, maxEntries, (item) => read(record(item)));
}

export function textOf(value: unknown, maxLength: number): string {
  if (typeof value !== "string" || value.length > maxLength)
    throw new TypeError(`A text of at most ${maxLength} characters was expected`);
  return value;
}

export function numberOf(value: unknown, min = 0): number {
  if (typeof value !== "number" || !(value >= min && value <= Number.MAX_SAFE_INTEGER))
    throw new TypeError(`A number of at least ${min} was expected, not ${String(value)}`);
  return value;
}
