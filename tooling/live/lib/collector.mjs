// A real OpenTelemetry collector, built here from its modules: OTLP over HTTP comes in and goes on as JSON.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { eventually } from "./eventually.mjs";
import { freePort, startProgram } from "./gateway.mjs";

const source = resolve(fileURLToPath(import.meta.url), "../../collector");
const program = join(source, "dist/collector");
const BUILD_LIMIT_MS = 8 * 60_000;

/** Builds it where there is Go, and says loudly where there is none. */
export function buildCollector() {
  if (!hasGo()) {
    console.error(
      "\n************************************************************************\n" +
        "NO GO ON THIS MACHINE: no real OpenTelemetry collector is part of this\n" +
        "check. What the gateways send is only held against the protocol here.\n" +
        "************************************************************************\n",
    );
    return;
  }
  const startedMs = performance.now();
  const env = { ...process.env, GOFLAGS: "-buildvcs=false -mod=readonly" };
  const { status, signal, error } = spawnSync("go", ["build", "-trimpath", "-ldflags=-s -w", "-o", program, "."], {
    cwd: source,
    env,
    stdio: ["ignore", "inherit", "inherit"],
    timeout: BUILD_LIMIT_MS,
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`go build ended with ${status ?? signal}`);
  console.log(`the collector was built in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
}

/**
 * @param {string} target where it sends what it gets
 * @returns {Promise<{ url: string, name: string, stop(): Promise<void> }>} the target itself where there is no Go
 */
export async function startCollector(target) {
  if (!hasGo()) return { url: target, name: "no collector", async stop() {} };
  const folder = mkdtempSync(join(tmpdir(), "headgate-collector-"));
  const address = `127.0.0.1:${await freePort()}`;
  const off = { enabled: false };
  const config = {
    receivers: { otlp: { protocols: { http: { endpoint: address } } } },
    exporters: {
      otlp_http: { endpoint: target, encoding: "json", compression: "none", sending_queue: off, retry_on_failure: off },
    },
    service: {
      pipelines: { metrics: { receivers: ["otlp"], exporters: ["otlp_http"] } },
    },
  };
  writeFileSync(join(folder, "config.yaml"), JSON.stringify(config));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    const command = [program, "--config", `file:${join(folder, "config.yaml")}`];
    const started = await startProgram("the collector", command, {}, { ready: /(Everything is ready)/ });
    await eventually("the collector listens", () => fetch(`http://${address}/`).catch(() => undefined));
    return { url: `http://${address}`, name: "a real collector", stop: () => started.stop().finally(remove) };
  } catch (error) {
    remove();
    throw error;
  }
}

function hasGo() {
  return spawnSync("go", ["version"], { stdio: "ignore" }).error === undefined;
}
