// Requests that may be sent again without being carried out again (draft-ietf-httpapi-idempotency-key-header): the first one
// runs, its outcome is kept, and every repetition is given that.
import { HeadgateError } from "@headgate/core";
import { limitBytes } from "@headgate/core/streams";
import type { Context, MiddlewareHandler, Next } from "hono";
import { refuse, replaceResponse, type RespondOptions } from "./answer.ts";
import { IdempotencyError, parseKey } from "./idempotency-key.ts";
import type { IdempotencyRecord, IdempotencyStore, StoredResponse } from "./idempotency-store.ts";
import { checkFunction, checkInteger, checkNumber, maxDelayMs, rejectOption } from "@headgate/core/options";
import { checkFieldName } from "./options.ts";
import { withBody } from "./request-body.ts";

export interface IdempotencyOptions extends RespondOptions {
  /** Where outcomes are kept: `memoryIdempotencyStore()` for one process. */
  readonly store: IdempotencyStore;
  /** @default "Idempotency-Key" */
  readonly header?: string;
  /** Methods, in capitals, whose requests are looked at. @default POST and PATCH */
  readonly methods?: readonly string[];
  /** Whether a request without a key is refused. @default false */
  readonly required?: boolean;
  /** How long an outcome is kept. Above 0, at most 2^31 - 1. @default 86400000: a day */
  readonly ttlMs?: number;
  /**
   * How long a request may run before its key is free again; longer than any request takes. Above 0, at most 2^31 - 1.
   * @default 60000
   */
  readonly lockMs?: number;
  /**
   * Whose keys these are: keys of different owners never meet. Nobody must be given what another has done, so it has to name
   * the user. @default the `Authorization` field
   */
  readonly scope?: (c: Context) => string;
  /**
   * How large bodies may be. A larger request is refused with 413; a larger response is sent, but only that the request was
   * carried out is kept. An integer of at least 0. @default 1048576
   */
  readonly maxBodyBytes?: number;
  /**
   * Which responses are outcomes. After any other the request may be carried out again.
   * @default those below 500 that do not ask to come again (408, 409, 425, 429)
   */
  readonly isOutcome?: (response: Response) => boolean;
  /** Is told when the store fails; after the handler has run nobody else would hear of it. @default nobody */
  readonly onStoreFailure?: (error: unknown, c: Context) => void;
}

type Settings = Required<Omit<IdempotencyOptions, "respond">> & RespondOptions;

/**
 * Carries out requests with the same key once. The first one runs; its response is read to the end, kept, and then sent.
 * A repetition is given the same response with `Idempotent-Replayed: true`. While the first one runs, a repetition is
 * answered with 409 and `Retry-After`; another request with the same key with 422. When nobody can tell what came of a
 * request (its time was up, its client had left) the key stays taken for `lockMs`.
 *
 * @param options where outcomes are kept, and which.
 * @returns The middleware handler function.
 * @throws {InvalidOptionError} for options out of bounds.
 *
 * @example
 * ```ts
 * app.post("/payments", idempotency({ store: memoryIdempotencyStore(), required: true }), pay)
 * ```
 */
export function idempotency(options: IdempotencyOptions): MiddlewareHandler {
  const settings = settingsOf(options);
  const { header, methods, required } = settings;
  return async function idempotency(c, next) {
    if (!methods.includes(c.req.method)) return next();
    const field = c.req.header(header);
    if (field === undefined) {
      if (!required) return next();
      return refuse(c, new IdempotencyError("ERR_IDEMPOTENCY_KEY_MISSING", header), settings);
    }
    const key = parseKey(field);
    if (key === undefined) return refuse(c, new IdempotencyError("ERR_IDEMPOTENCY_KEY_INVALID", header), settings);
    await serveOnce(settings, c, next, key);
  };
}

async function serveOnce(settings: Settings, c: Context, next: Next, key: string): Promise<void> {
  const { store, header, scope, lockMs } = settings;
  let body: Uint8Array<ArrayBuffer>;
  try {
    body = await readBody(c.req.raw.body, settings.maxBodyBytes);
  } catch (error) {
    if (error instanceof HeadgateError) return refuse(c, error, settings);
    throw error;
  }
  if (c.req.raw.body !== null) c.req.raw = withBody(c.req.raw, body);
  const { method, url, headers } = c.req.raw;
  const { pathname, search } = new URL(url);
  const about = [method, pathname + search, headers.get("content-type") ?? ""].join("\n");
  // The owner's secret is not handed to the store, nor can a key run into it.
  const storeKey = `${await digest(scope(c))}:${key}`;
  const fingerprint = await digest(about, body);
  const token = crypto.randomUUID();

  let record: IdempotencyRecord | undefined;
  try {
    record = await store.begin(storeKey, token, fingerprint, lockMs);
  } catch (error) {
    settings.onStoreFailure(error, c);
    return refuse(c, new IdempotencyError("ERR_IDEMPOTENCY_STORE", header, error), settings);
  }
  if (record === undefined) return serveFirst(settings, c, next, storeKey, token);
  if (record.fingerprint !== fingerprint)
    return refuse(c, new IdempotencyError("ERR_IDEMPOTENCY_KEY_REUSED", header), settings);
  const { response } = record;
  if (response === undefined) return refuse(c, new IdempotencyError("ERR_IDEMPOTENCY_IN_PROGRESS", header), settings);
  if (response.body === undefined)
    return refuse(c, new IdempotencyError("ERR_IDEMPOTENCY_OUTCOME_LOST", header), settings);
  replaceResponse(c, replayed(response, response.body));
}

/** Runs the handler and keeps what came of it. The client is answered when that is done, so that it can rely on it. */
async function serveFirst(settings: Settings, c: Context, next: Next, key: string, token: string): Promise<void> {
  const { store, isOutcome, maxBodyBytes, ttlMs, onStoreFailure } = settings;
  let kept: StoredResponse | undefined;
  try {
    await next();
    // Nobody knows what a handler that was cut off has done, or is still doing.
    if (c.res.status === 499 || c.res.status === 504) return;
    if (isOutcome(c.res)) kept = await keep(c, maxBodyBytes);
  } catch (error) {
    await tell(() => store.release(key, token), onStoreFailure, c);
    throw error;
  }
  if (kept === undefined) await tell(() => store.release(key, token), onStoreFailure, c);
  else {
    const response = kept;
    await tell(() => store.complete(key, token, response, ttlMs), onStoreFailure, c);
  }
}

async function tell(store: () => unknown, onStoreFailure: Settings["onStoreFailure"], c: Context): Promise<void> {
  try {
    await store();
  } catch (error) {
    onStoreFailure(error, c);
  }
}

/** The response as data. The context is given one with the same body to send. */
async function keep(c: Context, maxBodyBytes: number): Promise<StoredResponse> {
  const { res } = c;
  const { status } = res;
  const headers = [...res.headers].filter(([name]) => name !== "connection" && name !== "date");
  if (res.body === null) return { status, headers, body: new Uint8Array() };
  const [first, second] = res.body.tee();
  const send = (body: ReadableStream<Uint8Array<ArrayBuffer>> | Uint8Array<ArrayBuffer>): void => {
    const answer = new Response(body, res);
    c.res = undefined;
    c.res = answer;
  };
  try {
    const body = await readBody(first, maxBodyBytes);
    second.cancel().catch(() => {});
    send(body);
    return { status, headers, body };
  } catch {
    // Too large, or it broke off: the client is told the same, and what was read so far is in the other half.
    send(second);
    return { status, headers, body: undefined };
  }
}

function replayed({ status, headers }: StoredResponse, body: Uint8Array<ArrayBuffer>): Response {
  const response = new Response(body.byteLength === 0 ? null : body, { status });
  for (const [name, value] of headers) response.headers.append(name, value);
  response.headers.set("idempotent-replayed", "true");
  return response;
}

async function readBody(
  body: ReadableStream<Uint8Array<ArrayBuffer>> | null,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  if (body === null) return new Uint8Array();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  for await (const chunk of limitBytes(body, { maxBytes })) chunks.push(chunk);
  return joined(chunks);
}

function joined(chunks: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(chunks.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}

/** SHA-256 in hexadecimal. */
async function digest(text: string, bytes: Uint8Array<ArrayBuffer> = new Uint8Array()): Promise<string> {
  const whole = joined([new TextEncoder().encode(`${text}\n`), bytes]);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Below 500, and not an answer that asks to come again. */
const isSettled = ({ status }: Response): boolean => status < 500 && ![408, 409, 425, 429].includes(status);

function settingsOf(options: IdempotencyOptions): Settings {
  const {
    store,
    header = "Idempotency-Key",
    methods = ["POST", "PATCH"],
    required = false,
    ttlMs = 86_400_000,
    lockMs = 60_000,
    scope = (c) => c.req.header("authorization") ?? "",
    maxBodyBytes = 1_048_576,
    isOutcome = isSettled,
    onStoreFailure = () => {},
    respond,
  } = options;
  if (typeof store?.begin !== "function") rejectOption("idempotency.store", "an IdempotencyStore", store);
  checkFieldName("idempotency.header", header);
  const wrong = Array.isArray(methods) ? methods.find((method) => !/^[A-Z]+$/.test(String(method))) : methods;
  if (wrong !== undefined) rejectOption("idempotency.methods", "an array of methods in capitals", wrong);
  checkNumber("idempotency.ttlMs", ttlMs, 0, maxDelayMs, true);
  checkNumber("idempotency.lockMs", lockMs, 0, maxDelayMs, true);
  checkInteger("idempotency.maxBodyBytes", maxBodyBytes, 0);
  for (const [name, value] of Object.entries({ scope, isOutcome, onStoreFailure }))
    checkFunction(`idempotency.${name}`, value);
  if (respond !== undefined) checkFunction("idempotency.respond", respond);
  return {
    store,
    header,
    methods,
    required,
    ttlMs,
    lockMs,
    scope,
    maxBodyBytes,
    isOutcome,
    onStoreFailure,
    respond,
  };
}
