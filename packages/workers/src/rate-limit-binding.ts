// The platform's own rate limit as the backend of a `rateLimit`. It answers within the machine and counts by location, so
// that it lets a little more through than its numbers say, and knows nothing but yes and no.
import type { RateLimitAnswer, RateLimitBackend } from "@headgate/core";
import type { RateLimitBinding } from "./bindings.ts";
import { checkInteger, rejectOption } from "@headgate/core/options";
import { checkBinding } from "./options.ts";

export interface RateLimitBindingOptions {
  /** Stands before each key: two limits that share a binding count apart. @default "" */
  readonly keyPrefix?: string;
  /**
   * The binding counts by one: a call of weight 3 asks it three times. Heavier calls than this are always refused.
   * An integer of at least 1. @default 10
   */
  readonly maxCost?: number;
}

class BindingBackend implements RateLimitBackend {
  private readonly binding: RateLimitBinding;
  private readonly keyPrefix: string;
  private readonly maxCost: number;

  constructor(binding: RateLimitBinding, { keyPrefix, maxCost }: Required<RateLimitBindingOptions>) {
    this.binding = binding;
    this.keyPrefix = keyPrefix;
    this.maxCost = maxCost;
  }

  async take(key: string, cost: number): Promise<RateLimitAnswer> {
    // One after the other, so that a call that is refused takes no more than what was left.
    const times = Math.ceil(cost);
    if (times > this.maxCost) return { allowed: false };
    for (let taken = 0; taken < times; taken++) {
      const { success } = await this.binding.limit({ key: this.keyPrefix + key });
      if (!success) return { allowed: false };
    }
    return { allowed: true };
  }
}

/**
 * Has the platform's rate limit decide. How much it lets through stands in the Worker's configuration (`simple.limit`, and
 * `simple.period` of 10 or 60 s); give the `rateLimit` the same numbers, which only its results show.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function rateLimitBinding(binding: RateLimitBinding, options: RateLimitBindingOptions = {}): RateLimitBackend {
  const { keyPrefix = "", maxCost = 10 } = options;
  checkBinding("rateLimitBinding.binding", "a rate-limit binding", binding, ["limit"]);
  if (typeof keyPrefix !== "string") rejectOption("rateLimitBinding.keyPrefix", "a string", keyPrefix);
  checkInteger("rateLimitBinding.maxCost", maxCost, 1);
  return new BindingBackend(binding, { keyPrefix, maxCost });
}
