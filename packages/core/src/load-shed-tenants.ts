// Who has used how much lately, so that those who ask for most are shed first.

/** What was used is forgotten with this time constant. */
const forgetMs = 10_000;

interface Usage {
  amount: number;
  atMs: number;
}

export class TenantUsages {
  private readonly maxTenants: number;
  /** The least recently seen first. */
  private readonly usages = new Map<string, Usage>();
  /** The largest usage of all. They all fade alike, so that it stays the largest until another one outgrows it. */
  private readonly most: Usage = { amount: 0, atMs: 0 };

  constructor(maxTenants: number) {
    this.maxTenants = maxTenants;
  }

  get size(): number {
    return this.usages.size;
  }

  /** A call of this tenant has come. Gives its usage as a share of the largest one: above 0, at most 1. */
  note(tenant: string, weight: number, nowMs: number): number {
    const usage = this.use(tenant, nowMs);
    const amount = faded(usage, nowMs) + weight;
    usage.amount = amount;
    usage.atMs = nowMs;
    const most = Math.max(faded(this.most, nowMs), amount);
    this.most.amount = most;
    this.most.atMs = nowMs;
    return amount / most;
  }

  private use(tenant: string, nowMs: number): Usage {
    const known = this.usages.get(tenant);
    if (known !== undefined) this.usages.delete(tenant);
    else if (this.usages.size >= this.maxTenants) this.usages.delete(this.usages.keys().next().value as string);
    const usage = known ?? { amount: 0, atMs: nowMs };
    this.usages.set(tenant, usage);
    return usage;
  }
}

function faded({ amount, atMs }: Usage, nowMs: number): number {
  return nowMs > atMs ? amount * Math.exp((atMs - nowMs) / forgetMs) : amount;
}
