// The keys of rate limits in an isolate. It decides by itself, by what it knew last of all isolates and what it has let
// through since; both come together the next time it hears from the others.
import { type GcraState, type RateLimitAnswer, type RateLimitBackend, type RateQuota, takeGcra } from "@headgate/core";
import { maxEntries, maxNameLength } from "./exchange.ts";
import { addUsed, type LimitReport, type LimitView } from "./limit-records.ts";

interface LocalLimit {
  readonly key: string;
  quota: RateQuota;
  state: GcraState | undefined;
  /** What has gone through that the others have not been told of. */
  used: number;
  /** How much of that is in the message that is under way. */
  sent: number;
}

export class SharedLimits {
  private readonly maxKeys: number;
  private readonly now: () => number;
  /** The one that was not asked for the longest is the first. */
  private readonly limits = new Map<string, LocalLimit>();
  /** Those that have something to tell, in the order in which they had it. */
  private readonly pending = new Set<LocalLimit>();

  constructor(maxKeys: number, now: () => number) {
    this.maxKeys = maxKeys;
    this.now = now;
  }

  backend(name: string): RateLimitBackend {
    return { take: (key, cost, quota) => this.decide(`${name}:${key}`, cost, quota) };
  }

  reports(): LimitReport[] {
    const reports: LimitReport[] = [];
    for (const limit of this.pending) {
      if (reports.length === maxEntries) break;
      limit.sent = limit.used;
      reports.push({ key: limit.key, used: limit.used, quota: limit.quota });
    }
    return reports;
  }

  /** The message has arrived. */
  take(reports: readonly LimitReport[], views: readonly LimitView[]): void {
    const nowMs = this.now();
    const ahead = new Map(views.map(({ key, aheadMs }) => [key, aheadMs]));
    for (const { key } of reports) {
      const limit = this.limits.get(key);
      if (limit === undefined) continue;
      limit.used -= limit.sent;
      limit.sent = 0;
      if (limit.used <= 0) this.pending.delete(limit);
      const aheadMs = ahead.get(key);
      if (aheadMs !== undefined) limit.state = addUsed(nowMs + aheadMs, limit, nowMs);
    }
  }

  private decide(key: string, cost: number, quota: RateQuota): RateLimitAnswer {
    const limit = this.use(key, quota);
    const { state, ...answer } = takeGcra(limit.state, this.now(), cost, quota);
    limit.state = state;
    if (answer.allowed) {
      limit.used += cost;
      this.pending.add(limit);
    }
    return answer;
  }

  private use(key: string, quota: RateQuota): LocalLimit {
    const kept = this.limits.get(key);
    const limit: LocalLimit = kept ?? { key, quota, state: undefined, used: 0, sent: 0 };
    limit.quota = quota;
    if (kept !== undefined) this.limits.delete(key);
    // A key that no message holds is counted here alone.
    if (key.length <= maxNameLength) this.limits.set(key, limit);
    if (this.limits.size > this.maxKeys) this.forgetOldest();
    return limit;
  }

  private forgetOldest(): void {
    const [oldest] = this.limits.values();
    if (oldest === undefined) return;
    this.limits.delete(oldest.key);
    this.pending.delete(oldest);
  }
}
