// A promise together with the functions that settle it. `new Promise` hands them to an executor; one executor for all costs
// no closure per promise, which `Promise.withResolvers` does.

/** What `newPromise` has made last: read it at once. */
export const made: { resolve: (value?: unknown) => void; reject: (error: unknown) => void } = {
  resolve: () => {},
  reject: () => {},
};

const capture = (resolve: (value?: unknown) => void, reject: (error: unknown) => void): void => {
  made.resolve = resolve;
  made.reject = reject;
};

export function newPromise(): Promise<unknown> {
  return new Promise(capture);
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as PromiseLike<unknown>).then === "function";
}
