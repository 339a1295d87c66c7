// The log of the process: JSON, a line each, on standard output.
import { destination, type Logger as PinoLogger, pino, stdTimeFunctions } from "pino";
import { ConfigError, type LogLevel, logLevels } from "../config.ts";

/** What `LOG_LEVEL` says, if anything. @throws {ConfigError} */
export function logLevelFrom(environment: NodeJS.ProcessEnv): LogLevel | undefined {
  const { LOG_LEVEL: given } = environment;
  if (given === undefined || given === "") return undefined;
  const level = logLevels.find((one) => one === given);
  if (level !== undefined) return level;
  throw new ConfigError("The environment", [
    `LOG_LEVEL must be one of ${logLevels.join(", ")}, got ${JSON.stringify(given)}`,
  ]);
}

/** Lines are few, and each is out before the next step: those of a stop would otherwise be lost, or come in disorder. */
export function createLogger(level: LogLevel): PinoLogger {
  const options = {
    level,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(options, destination({ dest: 1, sync: true }));
}
