// The log of a Worker: JSON like that of the process on Node, through the console, which the platform collects.
import type { Logger } from "@headgate/core";
import { type LogLevel, logLevels } from "../config.ts";

export function consoleLogger(level: LogLevel): Logger {
  const enough = logLevels.indexOf(level);
  const at = (name: "info" | "warn" | "error") => (fields: object, message: string) => {
    if (logLevels.indexOf(name) < enough) return;
    console[name](JSON.stringify({ level: name, time: new Date().toISOString(), ...fields, msg: message }));
  };
  return { info: at("info"), warn: at("warn"), error: at("error") };
}
