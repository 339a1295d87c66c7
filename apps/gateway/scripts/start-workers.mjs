// `npm run start:workers`: the gateway on workerd, and the demo upstream beside it in a workerd of its own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const port = process.env.PORT || "8787";
const demoPort = "8788"; // headgate.json names it
const env = {
  ...process.env,
  CI: "true",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  WRANGLER_BUILD_CONDITIONS: "headgate-source,workerd,worker,browser",
  WRANGLER_HIDE_BANNER: "true",
  WRANGLER_SEND_METRICS: "false",
};

/** What the Worker is told of our own environment. */
const vars = [
  "OTEL_EXPORTER_OTLP_ENDPOINT",
  "OTEL_EXPORTER_OTLP_HEADERS",
  "OTEL_METRIC_EXPORT_INTERVAL",
  "OTEL_SERVICE_NAME",
];
const state = mkdtempSync(join(tmpdir(), "headgate-workers-"));

const stopping = new AbortController();
const children = [];

function dev(folder, on) {
  const args = [
    "dev",
    "--ip",
    "127.0.0.1",
    "--port",
    on,
    "--log-level",
    "warn",
    "--show-interactive-dev-session=false",
  ];
  if (folder === "..") {
    // Each run counts from 0.
    args.push("--persist-to", state);
    for (const name of vars) if (process.env[name]) args.push("--var", `${name}:${process.env[name]}`);
  }
  const child = spawn("wrangler", args, {
    cwd: fileURLToPath(new URL(`${folder}/`, import.meta.url)),
    env,
    stdio: ["ignore", "inherit", "inherit"],
  });
  child.on("exit", (code) => void stop(code ?? 1));
  children.push(child);
}

/** Ends both and waits for them, so that nothing is left. */
async function stop(code) {
  if (stopping.signal.aborted) return;
  stopping.abort();
  await Promise.all(children.map(end));
  rmSync(state, { recursive: true, force: true });
  process.exit(code);
}

async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const impatience = setTimeout(() => child.kill("SIGKILL"), 5000);
  child.kill("SIGTERM");
  await once(child, "exit");
  clearTimeout(impatience);
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => void stop(0));

async function answers(url) {
  for (let attempt = 0; attempt < 300; attempt++) {
    try {
      await fetch(url, { signal: stopping.signal });
      return;
    } catch {
      await sleep(100, undefined, { signal: stopping.signal });
    }
  }
  throw new Error(`${url} did not answer within 30 s`);
}

try {
  const url = `http://127.0.0.1:${port}`;
  // One after the other: started together they may choose the same port for what is between wrangler and workerd.
  dev("../../flaky", demoPort);
  await answers(`http://127.0.0.1:${demoPort}/`);
  dev("..", port);
  await answers(`${url}/livez`);
  console.log(`Headgate gateway on workerd:  ${url}
Demo upstream on workerd:     http://127.0.0.1:${demoPort}

Try:
  curl ${url}/demo/echo
  curl -i ${url}/demo/status/503
  curl ${url}/readyz
  curl ${url}/metrics
`);
} catch (error) {
  if (!stopping.signal.aborted) {
    console.error(error.message);
    await stop(1);
  }
}
