// A real Prometheus on a free port, with the rules of deploy/observability, that scrapes every second.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { root } from "../../checks/lib/workspace.mjs";
import { eventually } from "./eventually.mjs";
import { freePort } from "./gateway.mjs";

/**
 * @param {Record<string, string>} targets the URL of each job; its `/metrics` is scraped
 * @returns {Promise<{
 *   query(expr: string): Promise<any[]>,
 *   queryRange(expr: string, range: { startS: number, endS: number, stepS: number }): Promise<any[]>,
 *   rules(): Promise<any[]>,
 *   stop(): Promise<void>,
 * }>}
 */
export async function startPrometheus(targets) {
  const folder = mkdtempSync(join(tmpdir(), "headgate-prometheus-"));
  writeFileSync(join(folder, "prometheus.yml"), JSON.stringify(configOf(targets)));
  const url = `http://127.0.0.1:${await freePort()}`;
  const child = spawn(
    "prometheus",
    [
      `--config.file=${join(folder, "prometheus.yml")}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=${new URL(url).host}`,
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  let output = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    output += text;
  });
  const ended = once(child, "close");
  const stop = async () => {
    child.kill("SIGTERM");
    await Promise.race([ended, delay(10_000, undefined, { ref: false })]);
    kill();
    process.off("exit", kill);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await eventually("Prometheus is ready", () => {
      if (child.exitCode !== null) throw new Error(`Prometheus ended with ${child.exitCode}\n${output}`);
      return isReady(url);
    });
  } catch (error) {
    await stop();
    throw error;
  }
  const result = async (path, parameters) => (await ask(url, path, parameters)).result;
  return {
    query: (query) => result("query", { query }),
    queryRange: (query, { startS, endS, stepS }) =>
      result("query_range", { query, start: startS, end: endS, step: stepS }),
    rules: async () => (await ask(url, "rules")).groups.flatMap((group) => group.rules),
    stop,
  };
}

function configOf(targets) {
  const jobs = Object.entries(targets).map(([job, url]) => ({
    job_name: job,
    static_configs: [{ targets: [new URL(url).host] }],
  }));
  return {
    global: { scrape_interval: "1s", evaluation_interval: "1s" },
    rule_files: [join(root, "deploy/observability/rules/*.yml")],
    scrape_configs: jobs,
  };
}

async function isReady(url) {
  try {
    return (await fetch(`${url}/-/ready`, { signal: AbortSignal.timeout(1000) })).ok;
  } catch {
    return false;
  }
}

async function ask(url, path, parameters = {}) {
  const search = new URLSearchParams(parameters);
  const response = await fetch(`${url}/api/v1/${path}?${search}`, { signal: AbortSignal.timeout(5000) });
  const { status, data, error } = await response.json();
  if (status !== "success") throw new Error(`Prometheus: ${error}`);
  return data;
}
