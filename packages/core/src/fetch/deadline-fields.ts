// How long a caller still waits, as header fields say it. On the wire a deadline is a duration, because clocks differ; each
// hop takes it over, and hands on what is left of it.

/** Fields that say how long the answer is waited for, in lower case: ours, gRPC's and Envoy's. */
export const deadlineFields: readonly string[] = [
  "x-request-timeout-ms",
  "grpc-timeout",
  "x-envoy-expected-rq-timeout-ms",
];

/** Milliseconds in each unit of `grpc-timeout` (gRPC over HTTP/2, Requests), the longest first. */
const grpcUnits = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 } as const;
const maxGrpcDigits = 8;

/**
 * The least of what the fields say, in milliseconds; 0 or less when the time is up, `Infinity` without any. What is no
 * duration in the form of its field says nothing, and so does a field that came twice: a mistake of a peer must not become
 * an outage, and the receiver's own timeout still holds.
 *
 * @param read gives the value of a field, several joined by a comma: `(name) => headers.get(name)`.
 * @param fields in lower case. @default deadlineFields
 */
export function parseRemainingMs(
  read: (name: string) => string | null | undefined,
  fields: readonly string[] = deadlineFields,
): number {
  let leastMs = Number.POSITIVE_INFINITY;
  for (const name of fields) {
    const value = read(name);
    if (value) leastMs = Math.min(leastMs, name === "grpc-timeout" ? fromGrpc(value) : fromDigits(value));
  }
  return leastMs;
}

/** The value of the field for so many milliseconds, rounded down; never less than 0. `name` is in lower case. */
export function formatRemainingMs(name: string, remainingMs: number): string {
  const ms = Math.max(0, Math.floor(remainingMs));
  return name === "grpc-timeout" ? toGrpc(ms) : String(ms);
}

function fromDigits(value: string): number {
  return /^-?\d{1,12}$/.test(value) ? Number(value) : Number.POSITIVE_INFINITY;
}

function fromGrpc(value: string): number {
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(value) ?? [];
  return digits === undefined ? Number.POSITIVE_INFINITY : Number(digits) * grpcUnits[unit as keyof typeof grpcUnits];
}

/** In the finest unit from milliseconds on whose number is short enough; hours hold every number that JavaScript is exact in. */
function toGrpc(ms: number): string {
  for (const unit of ["m", "S", "M"] as const) {
    const count = Math.floor(ms / grpcUnits[unit]);
    if (count < 10 ** maxGrpcDigits) return `${count}${unit}`;
  }
  return `${Math.min(Math.floor(ms / grpcUnits.H), 10 ** maxGrpcDigits - 1)}H`;
}
