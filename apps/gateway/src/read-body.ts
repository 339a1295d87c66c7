// Reads a short request body whole, so that it can be sent more than once.
import { GatewayError } from "./gateway-error.ts";

/**
 * @param length what the client announced.
 * @throws {GatewayError} `ERR_REQUEST_TIMEOUT` when it has not arrived after `timeoutMs`, `ERR_BODY_LENGTH` when it was
 * shorter or longer than announced.
 * @throws the signal's reason when the client leaves.
 */
export async function readBody(
  body: ReadableStream<Uint8Array>,
  length: number,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const reader = body.getReader();
  // Ends a read that is under way; the first to abort it says why.
  const ending = new AbortController();
  const { signal: ended } = ending;
  ended.addEventListener("abort", () => void reader.cancel(ended.reason).catch(() => {}));
  const timer = setTimeout(
    () => ending.abort(new GatewayError("ERR_REQUEST_TIMEOUT", `The body did not arrive within ${timeoutMs} ms`)),
    timeoutMs,
  );
  const leave = () => ending.abort(signal.reason);
  signal.addEventListener("abort", leave, { once: true });
  try {
    return await readWhole(reader, length, ended);
  } catch (error) {
    throw ended.aborted ? ended.reason : error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", leave);
    reader.releaseLock();
  }
}

async function readWhole(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  length: number,
  ended: AbortSignal,
): Promise<Uint8Array> {
  const whole = new Uint8Array(length);
  let received = 0;
  for (;;) {
    const { done, value } = await reader.read();
    ended.throwIfAborted();
    if (done) break;
    if (received + value.byteLength > length)
      throw new GatewayError("ERR_BODY_LENGTH", `The body is longer than the ${length} bytes announced`);
    whole.set(value, received);
    received += value.byteLength;
  }
  if (received < length)
    throw new GatewayError("ERR_BODY_LENGTH", `The body ended after ${received} of ${length} bytes`);
  return whole;
}
