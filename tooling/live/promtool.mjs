// Prometheus' own tool reads what the gateway shows under /metrics, after calls that succeed and calls that fail.
import { startGateway } from "./lib/gateway.mjs";
import { ensureProgram, runWithInput } from "./lib/programs.mjs";

export const name = "promtool finds nothing wrong with the gateway's /metrics";

export async function install() {
  ensureProgram("promtool", "prometheus");
}

export async function run() {
  const gateway = await startGateway();
  try {
    for (const path of ["/demo/echo", "/demo/echo", "/demo/echo", "/demo/status/503", "/demo/status/503"]) {
      const response = await fetch(gateway.url + path, { signal: AbortSignal.timeout(10_000) });
      await response.arrayBuffer();
      console.log(`${path} ${response.status}`);
    }
    const response = await fetch(`${gateway.url}/metrics`, { signal: AbortSignal.timeout(10_000) });
    const metrics = await response.text();
    if (!response.ok || !/^# TYPE \w*pipeline\w* /m.test(metrics)) {
      throw new Error(`/metrics answered ${response.status} without a metric of a pipeline\n${metrics}`);
    }
    const { code, output } = await runWithInput("promtool", ["check", "metrics"], metrics);
    if (code !== 0) throw new Error(`promtool check metrics ended with ${code}\n${output}`);
    console.log(`promtool has read ${metrics.split("\n").length} lines`);
  } finally {
    await gateway.stop();
  }
}
