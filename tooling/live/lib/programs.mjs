// Gets a program from the distribution, and runs one with text on its standard input.
import { spawn, spawnSync } from "node:child_process";

/** Installs the Debian package that holds `program` unless the program is there. */
export function ensureProgram(program, debianPackage) {
  if (spawnSync(program, ["--version"], { stdio: "ignore" }).error === undefined) return;
  const asRoot = process.getuid?.() === 0 ? [] : ["sudo", "--non-interactive", "--preserve-env"];
  // The package may bring a service; nobody asked for it to start.
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  for (const args of [["update"], ["install", "--yes", "--no-install-recommends", debianPackage]]) {
    const [command, ...rest] = [...asRoot, "apt-get", "-qq", ...args];
    const { status, error } = spawnSync(command, rest, { env, stdio: ["ignore", "ignore", "inherit"] });
    if (error) throw error;
    if (status !== 0) throw new Error(`apt-get ${args.join(" ")} ended with ${status}`);
  }
}

/**
 * @param {{ cwd?: string }} [options]
 * @returns {Promise<{ code: number | null, output: string }>}
 */
export function runWithInput(program, args, input, { cwd } = {}) {
  const child = spawn(program, args, { cwd, stdio: ["pipe", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      output += text;
    });
  }
  child.stdin.on("error", () => {}); // it may end before it has read everything
  child.stdin.end(input);
  return new Promise((settle, fail) => {
    child.on("error", fail);
    child.on("close", (code) => settle({ code, output }));
  });
}
