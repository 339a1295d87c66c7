// What the four policies cost at least: timeout, retry, circuit breaker and concurrency limit written by hand as one
// function, for one fixed order and fixed options. It does what the pipeline does on this path and nothing else: no
// events, no names, no state to look at, no queue, no caller's signal.

export interface FusedOptions {
  readonly timeoutMs: number;
  readonly maxAttempts: number;
  readonly maxConcurrent: number;
  /** The circuit opens when this many of the last `windowCalls` calls failed. */
  readonly windowCalls: number;
  readonly maxFailures: number;
  readonly openMs: number;
}

/** Must return a promise. */
export type FusedOperation = (call: FusedCall) => Promise<unknown>;

/** One call: what the operation is given, and at the same time its place in the list of timers. */
export class FusedCall {
  readonly operation: FusedOperation;
  resolve: (value: unknown) => void = unset;
  reject: (error: unknown) => void = unset;
  attempt = 1;
  settled = false;
  dueMs = 0;
  previous: FusedCall | null = null;
  next: FusedCall | null = null;
  #controller: AbortController | null = null;

  constructor(operation: FusedOperation) {
    this.operation = operation;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  abort(error: unknown): void {
    this.#controller?.abort(error);
  }
}

function unset(): void {}

/** Calls in the order in which they are due, with one host timer for the first of them. */
class TimerList {
  readonly #delayMs: number;
  readonly #expire: (call: FusedCall) => void;
  #head: FusedCall | null = null;
  #tail: FusedCall | null = null;
  #host: NodeJS.Timeout | null = null;

  constructor(delayMs: number, expire: (call: FusedCall) => void) {
    this.#delayMs = delayMs;
    this.#expire = expire;
  }

  add(call: FusedCall): void {
    call.dueMs = performance.now() + this.#delayMs;
    const tail = this.#tail;
    call.previous = tail;
    this.#tail = call;
    if (tail !== null) {
      tail.next = call;
      return;
    }
    this.#head = call;
    if (this.#host === null) this.#host = setTimeout(() => this.#run(), this.#delayMs);
    else this.#host.ref();
  }

  remove(call: FusedCall): void {
    const { previous, next } = call;
    if (previous === null) this.#head = next;
    else previous.next = next;
    if (next === null) this.#tail = previous;
    else next.previous = previous;
    // Armed for the next call, but not what keeps the process alive.
    if (this.#head === null) this.#host?.unref();
  }

  #run(): void {
    this.#host = null;
    const nowMs = performance.now();
    for (let call = this.#head; call !== null; call = this.#head) {
      if (call.dueMs > nowMs) {
        this.#host = setTimeout(() => this.#run(), Math.ceil(call.dueMs - nowMs));
        return;
      }
      this.#expire(call);
    }
  }
}

/** Which of the last calls failed. */
class Window {
  readonly #failed: Uint8Array;
  #next = 0;
  failures = 0;

  constructor(calls: number) {
    this.#failed = new Uint8Array(calls);
  }

  record(failed: 0 | 1): void {
    this.failures += failed - (this.#failed[this.#next] as number);
    this.#failed[this.#next] = failed;
    this.#next = this.#next + 1 === this.#failed.length ? 0 : this.#next + 1;
  }

  clear(): void {
    this.#failed.fill(0);
    this.failures = 0;
  }
}

// `new Promise` hands its functions to an executor; one that is shared costs no closure per call.
let capturedResolve: (value: unknown) => void;
let capturedReject: (error: unknown) => void;
const capture = (resolve: (value: unknown) => void, reject: (error: unknown) => void) => {
  capturedResolve = resolve;
  capturedReject = reject;
};

export function fused(options: FusedOptions): (operation: FusedOperation) => Promise<unknown> {
  const { timeoutMs, maxAttempts, maxConcurrent, windowCalls, maxFailures, openMs } = options;
  const timers = new TimerList(timeoutMs, expire);
  const window = new Window(windowCalls);
  let inUse = 0;
  let open = false;
  let openUntilMs = 0;
  let probe: FusedCall | null = null;

  return function run(operation) {
    const call = new FusedCall(operation);
    const promise = new Promise(capture);
    call.resolve = capturedResolve;
    call.reject = capturedReject;
    timers.add(call);
    attempt(call);
    return promise;
  };

  function attempt(call: FusedCall): void {
    if (open && !admitProbe(call)) return fail(call, new Error("The circuit is open"));
    if (inUse >= maxConcurrent) return fail(call, new Error(`All ${maxConcurrent} permits are taken`));
    inUse++;
    let returned: Promise<unknown>;
    try {
      returned = call.operation(call);
    } catch (error) {
      return failed(call, error);
    }
    returned.then(
      (value) => succeeded(call, value),
      (error: unknown) => failed(call, error),
    );
  }

  function succeeded(call: FusedCall, value: unknown): void {
    inUse--;
    if (call.settled) return;
    if (open) closeAfter(call);
    else window.record(0);
    call.settled = true;
    timers.remove(call);
    call.resolve(value);
  }

  function failed(call: FusedCall, error: unknown): void {
    inUse--;
    if (call.settled) return;
    recordFailure();
    if (call.attempt === maxAttempts) return fail(call, error);
    call.attempt++;
    attempt(call);
  }

  function fail(call: FusedCall, error: unknown): void {
    call.settled = true;
    timers.remove(call);
    call.reject(error);
  }

  /** The operation goes on without its caller and keeps its permit until it has ended. */
  function expire(call: FusedCall): void {
    const error = new Error(`Took longer than ${timeoutMs} ms`);
    recordFailure();
    fail(call, error);
    call.abort(error);
  }

  function recordFailure(): void {
    if (open) return;
    window.record(1);
    if (window.failures < maxFailures) return;
    open = true;
    openUntilMs = performance.now() + openMs;
  }

  /** Lets one call through; the others wait for its success, or as long again. */
  function admitProbe(call: FusedCall): boolean {
    const nowMs = performance.now();
    if (nowMs < openUntilMs) return false;
    openUntilMs = nowMs + openMs;
    probe = call;
    return true;
  }

  /** Only the probe closes the circuit: another call may have started before it opened. */
  function closeAfter(call: FusedCall): void {
    if (call !== probe) return;
    open = false;
    probe = null;
    window.clear();
  }
}
