import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const running = new Set<ChildProcess>();

export interface Fixture {
  readonly pid: number;
  /** What it has printed. */
  readonly lines: () => string[];
  readonly errors: () => string;
  /** Its code, or the signal that ended it; by then everything that it has printed is there. */
  readonly ended: Promise<number | string>;
  kill(signal: NodeJS.Signals): void;
}

/** Runs a program of `test/fixtures` from its sources. */
export function startFixture(
  name: string,
  args: readonly string[] = [],
  environment: Readonly<Record<string, string>> = {},
): Fixture {
  const program = fileURLToPath(new URL(`../fixtures/${name}.ts`, import.meta.url));
  const flags = ["--conditions=headgate-source", "--disable-warning=ExperimentalWarning"];
  const child = spawn(process.execPath, [...flags, program, ...args], {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  const ended = once(child, "close").then(([code, signal]) => {
    running.delete(child);
    return (code ?? signal) as number | string;
  });
  return {
    pid: child.pid ?? 0,
    lines: () => out.split("\n").filter((line) => line !== ""),
    errors: () => err,
    ended,
    kill: (signal) => void child.kill(signal),
  };
}

/** Ends what a test has left running. The workers of a cluster end with their primary. */
export function endFixtures(): void {
  for (const child of running) child.kill("SIGKILL");
}
