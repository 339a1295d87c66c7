// Who is compared. Each has its defaults; the oracle knows the server, and is one gate for all of its clients.
import { aimdLimit, fixedLimit, gradientLimit, kneeLimit, vegasLimit } from "@headgate/core";
import type { Contender } from "./run.ts";

/** What a server of c workers with random work needs at once to be busy: c and its square root. */
export const oracleLimit = (workers: number): number => Math.floor(workers + Math.sqrt(workers));

export const oracle: Contender = {
  name: "oracle",
  shared: true,
  limit: ({ workers }) => fixedLimit({ limit: oracleLimit(workers) }),
};
export const knee: Contender = { name: "knee", limit: () => kneeLimit() };
export const vegas: Contender = { name: "vegas", limit: () => vegasLimit() };
export const gradient: Contender = { name: "gradient", limit: () => gradientLimit() };
export const aimd: Contender = { name: "aimd", limit: () => aimdLimit() };
export const unlimited: Contender = { name: "no limit", limit: () => fixedLimit({ limit: 1_000_000 }) };

export const contenders: readonly Contender[] = [oracle, knee, vegas, gradient, aimd, unlimited];
