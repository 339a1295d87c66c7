// What the process is told by its environment and its arguments.
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import embedded from "../../headgate.json" with { type: "json" };
import { ConfigError, type GatewayConfig, parseConfig } from "../config.ts";

/** Reads and checks the file that `HEADGATE_CONFIG` names, or the embedded default. @throws {ConfigError} */
export function loadConfig(path: string | undefined): GatewayConfig {
  if (path === undefined || path === "") return parseConfig(embedded, "the embedded configuration");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new ConfigError(`HEADGATE_CONFIG (${path})`, [
      `must be a file that can be read, got ${(error as Error).message}`,
    ]);
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new ConfigError(path, [`must be JSON, got ${(error as Error).message}`]);
  }
  return parseConfig(parsed, path);
}

/** An integer of the environment; what is none is an error, not a default. @throws {ConfigError} */
export function integerFrom(name: string, fallback: number, max: number): number {
  const given = process.env[name];
  if (given === undefined || given === "") return fallback;
  if (/^\d{1,10}$/.test(given) && Number(given) <= max) return Number(given);
  throw new ConfigError("The environment", [
    `${name} must be an integer from 0 to ${max}, got ${JSON.stringify(given)}`,
  ]);
}

/** How many processes are wanted: `--workers 4`, `--workers auto` for one per core; none without. @throws {ConfigError} */
export function workersFrom(args: readonly string[]): number | undefined {
  const { values } = parseArgs({ args: [...args], options: { workers: { type: "string" } }, strict: false });
  const { workers } = values;
  if (workers === undefined) return undefined;
  if (workers === "auto") return availableParallelism();
  if (typeof workers === "string" && /^[1-9]\d{0,2}$/.test(workers)) return Number(workers);
  throw new ConfigError("The arguments", [
    `--workers must be "auto" or an integer from 1 to 999, got ${String(workers)}`,
  ]);
}
