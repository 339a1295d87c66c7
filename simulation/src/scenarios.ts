// The scenarios: what happens to a server, by its size. `scale` shortens the phases, for tests.
import type { Scenario } from "./run.ts";
import { bimodal, exponential, type Service } from "./server.ts";

const serviceMs = 50;

export interface Setting {
  /** @default 20 */
  readonly workers?: number;
  /** @default 1 */
  readonly clients?: number;
  /** What is left of each phase's duration. @default 1 */
  readonly scale?: number;
}

/** A scenario in which the load is a share of what the server can do. */
function scenario(
  { workers = 20, clients = 1, scale = 1 }: Setting,
  name: string,
  about: string,
  phases: readonly {
    name: string;
    seconds: number;
    load: number;
    slowness?: number;
    hangs?: boolean;
    healthy?: boolean;
  }[],
  more: { service?: Service; meanMs?: number; timeoutMs?: number; maxAttempts?: number } = {},
): Scenario {
  const { service = exponential(serviceMs), meanMs = serviceMs, ...rest } = more;
  const capacity = (workers * 1000) / meanMs;
  return {
    name,
    about,
    workers,
    clients,
    service,
    phases: phases.map(({ load, seconds, ...phase }) => ({
      ...phase,
      seconds: seconds * scale,
      perSecond: load * capacity,
    })),
    ...rest,
  };
}

const calm = (name: string, seconds: number, load = 0.5) => ({ name, seconds, load, healthy: true });

export const scenarios = {
  A: (at: Setting = {}) =>
    scenario(at, "A", "overload", [
      calm("before", 120),
      { name: "overload", seconds: 240, load: 2 },
      calm("after", 120),
    ]),
  B: (at: Setting = {}) =>
    scenario(at, "B", "slow-down", [
      calm("before", 120, 0.8),
      { name: "overload", seconds: 240, load: 0.8, slowness: 3 },
      calm("after", 240, 0.8),
    ]),
  C: (at: Setting = {}) =>
    scenario(
      at,
      "C",
      "hang",
      [calm("before", 120), { name: "overload", seconds: 120, load: 0.5, hangs: true }, calm("after", 120)],
      { timeoutMs: 1000 },
    ),
  D: (at: Setting = {}) =>
    scenario(at, "D", "long overload", [
      calm("before", 60),
      { name: "overload", seconds: 2400, load: 2 },
      calm("after", 60),
    ]),
  E: (at: Setting = {}) =>
    scenario(at, "E", "long overload at the edge", [
      calm("before", 60),
      { name: "overload", seconds: 2400, load: 1.2 },
      calm("after", 60),
    ]),
  F: (at: Setting = {}) =>
    scenario(
      at,
      "F",
      "mixed work",
      [calm("before", 120), { name: "overload", seconds: 240, load: 2 }, calm("after", 120)],
      { service: bimodal(10, 400, 0.1), meanMs: 49 },
    ),
  G: (at: Setting = {}) =>
    scenario(at, "G", "low traffic", [calm("before", 600, 5 / (((at.workers ?? 20) * 1000) / serviceMs))]),
  H: (at: Setting = {}) =>
    scenario({ workers: 40, clients: 4, ...at }, "H", "four clients", [
      calm("before", 60),
      { name: "overload", seconds: 1200, load: 1.2 },
      calm("after", 60),
    ]),
  I: (at: Setting = {}) =>
    scenario(
      at,
      "I",
      "retries",
      [calm("before", 120), { name: "overload", seconds: 240, load: 2 }, calm("after", 120)],
      { timeoutMs: 1000, maxAttempts: 3 },
    ),
  J: (at: Setting = {}) =>
    scenario({ workers: 200, clients: 1000, ...at }, "J", "a thousand nodes", [
      calm("before", 60),
      { name: "overload", seconds: 240, load: 2 },
      calm("after", 60),
    ]),
} satisfies Record<string, (at?: Setting) => Scenario>;
