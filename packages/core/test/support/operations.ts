// Operations that a test settles by hand, and what became of a call.
import type { Operation, OperationContext } from "@headgate/core";

/** One run of an operation, settled by the test. */
export interface Run<T> {
  readonly context: OperationContext;
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** An operation that goes on until the test settles it, whatever its signal says. */
export function manualOperation<T = string>(): { operation: Operation<T>; runs: Run<T>[]; run(index: number): Run<T> } {
  const runs: Run<T>[] = [];
  return {
    runs,
    operation: (context) =>
      new Promise<T>((resolve, reject) => {
        runs.push({ context, resolve, reject });
      }),
    run(index) {
      const found = runs[index];
      if (found === undefined) throw new Error(`run ${index} has not started, ${runs.length} have`);
      return found;
    },
  };
}

/** An operation that fails, synchronously, as often as told and then returns "done". */
export function failingTimes(times: number, error: unknown = new Error("down")): Operation<string> & { runs: number } {
  const operation = Object.assign(
    () => {
      operation.runs++;
      if (operation.runs <= times) throw error;
      return "done";
    },
    { runs: 0 },
  );
  return operation;
}

/** What became of a promise so far. */
export interface Watched<T> {
  state: "pending" | "fulfilled" | "rejected";
  value: T | undefined;
  error: unknown;
}

/** Follows a promise without waiting for it, and handles its rejection. */
export function watch<T>(promise: Promise<T>): Watched<T> {
  const watched: Watched<T> = { state: "pending", value: undefined, error: undefined };
  void promise.then(
    (value) => {
      watched.state = "fulfilled";
      watched.value = value;
    },
    (error: unknown) => {
      watched.state = "rejected";
      watched.error = error;
    },
  );
  return watched;
}

/** The error that a promise rejects with; fails when it does not. */
export async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`expected a rejection, got ${String(value)}`);
}
