// The other libraries, put together for the same task as the pipeline: a total timeout of 1 s, 4 attempts without delay,
// a breaker over the last 100 calls, 200 calls at once. What is not set here is their default.
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as CircuitBreaker from "effect/persistence/CircuitBreaker";
import * as Scope from "effect/Scope";
import * as Semaphore from "effect/Semaphore";
import Opossum from "opossum";

import type { PeerOptions } from "./workerd/cockatiel.ts";

type Operation = () => Promise<unknown>;

/** It has no retry. Every latency of the last 10 s is kept, so that each sample begins with a breaker of its own. */
export class OpossumBreaker {
  readonly #operation: Operation;
  current: Opossum;

  constructor(operation: Operation) {
    this.#operation = operation;
    this.current = this.#make();
  }

  renew(): void {
    this.current.shutdown();
    this.current = this.#make();
  }

  #make(): Opossum {
    return new Opossum(this.#operation, { timeout: 1000, capacity: 200, resetTimeout: 1e8 });
  }
}

/** Built once and run many times, which is the cheapest way to use it. */
export async function effectOf(operation: Operation, { maxConcurrent = 200, maxFailures }: PeerOptions = {}) {
  const breaker = await effectBreaker(
    maxFailures === undefined
      ? CircuitBreaker.rate({ threshold: 0.5, size: 100 })
      : CircuitBreaker.consecutive(maxFailures),
  );
  const permits = Semaphore.makeUnsafe(maxConcurrent);
  return Effect.tryPromise({ try: operation, catch: (error) => error }).pipe(
    permits.withPermits(1),
    breaker.execute({ key: "benchmark" }),
    Effect.retry({ times: 3 }),
    Effect.timeout("1 second"),
  );
}

async function effectBreaker(tripPolicy: CircuitBreaker.TripPolicy): Promise<CircuitBreaker.CircuitBreaker> {
  const scope = await Effect.runPromise(Scope.make());
  const store = await Effect.runPromise(Layer.buildWithScope(CircuitBreaker.layerStoreMemory(), scope));
  return Effect.runPromise(
    CircuitBreaker.make({ tripPolicy, openDuration: "10 seconds" }).pipe(
      Effect.provide(store),
      Effect.provideService(Scope.Scope, scope),
    ),
  );
}
