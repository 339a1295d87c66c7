// The platform's own types fit the structural ones, and what is given to the platform fits it.
import {
  background,
  type CacheLike,
  cacheApiStore,
  durableMetrics,
  type DurableObjectNamespaceLike,
  durableState,
  type ExecutionContextLike,
  HeadgateMetrics,
  HeadgateState,
  type KVNamespaceLike,
  kvStore,
  type RateLimitBinding,
  rateLimitBinding,
} from "../src/index.ts";

interface Env {
  readonly STATE: DurableObjectNamespace;
  readonly VALUES: KVNamespace;
  readonly LIMIT: RateLimit;
}

export function fits(env: Env, context: ExecutionContext, state: DurableObjectState): readonly unknown[] {
  const namespace: DurableObjectNamespaceLike = env.STATE;
  const values: KVNamespaceLike = env.VALUES;
  const binding: RateLimitBinding = env.LIMIT;
  const cache: CacheLike = caches.default;
  const like: ExecutionContextLike = context;
  const object: DurableObject = new HeadgateState(state, env);
  const metrics: DurableObject = new HeadgateMetrics(state, env);
  durableState({ namespace: env.STATE }).sync(context);
  durableMetrics({ namespace: env.STATE, collect: () => [] }).flush(context, Promise.resolve());
  background(context).run(() => env.VALUES.put("a", "b"));
  return [
    [namespace, values, binding, cache, like, object, metrics],
    [rateLimitBinding(env.LIMIT), cacheApiStore(caches.default), kvStore(env.VALUES), background(background(context))],
  ];
}

/** A class as the platform takes it. */
export const constructor: new (state: DurableObjectState, env: Env) => DurableObject = HeadgateState;
export const metricsConstructor: new (state: DurableObjectState, env: Env) => DurableObject = HeadgateMetrics;

// @ts-expect-error: what is no binding is none.
export const wrong: RateLimitBinding = { take: () => undefined };
