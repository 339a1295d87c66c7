// Who is compared. Each has its defaults; the oracle knows the server.
import { aimdLimit, fixedLimit, gradientLimit, kneeLimit, vegasLimit } from "@headgate/core";
import type { Contender } from "./run.ts";

/** What a server of c workers with random work needs at once to be busy: c and its square root; every client has its share. */
export const oracleLimit = (workers: number, clients = 1): number =>
  Math.max(1, Math.floor((workers + Math.sqrt(workers)) / clients));

export const oracle: Contender = {
  name: "oracle",
  limit: ({ workers, clients }) => fixedLimit({ limit: oracleLimit(workers, clients) }),
};
export const knee: Contender = { name: "knee", limit: () => kneeLimit() };
export const vegas: Contender = { name: "vegas", limit: () => vegasLimit() };
export const gradient: Contender = { name: "gradient", limit: () => gradientLimit() };
export const aimd: Contender = { name: "aimd", limit: () => aimdLimit() };
export const unlimited: Contender = { name: "no limit", limit: () => fixedLimit({ limit: 1_000_000 }) };

export const contenders: readonly Contender[] = [oracle, knee, vegas, gradient, aimd, unlimited];
