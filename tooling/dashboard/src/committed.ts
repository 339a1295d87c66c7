// Where the dashboard stands in the repository, and the text that has to stand there.
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { dashboard } from "./dashboard.ts";

export const path: string = resolve(
  fileURLToPath(import.meta.url),
  "../../../../deploy/observability/grafana/dashboards/headgate.json",
);

export function text(): string {
  return `${JSON.stringify(dashboard(), null, 2)}\n`;
}
