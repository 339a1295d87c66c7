// The rules in deploy/observability: Prometheus' own tool accepts and tests them, each alert both firing and quiet, and what
// they ask for exists: in the definitions of @headgate/otel, or in what the gateway shows under /metrics.
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../checks/lib/workspace.mjs";
import { namesIn } from "../dashboard/src/promql.ts";
import { get, startGateway } from "./lib/gateway.mjs";
import { definedMetrics, seriesNames, typesIn } from "./lib/metric-names.mjs";
import { ensureProgram, runWithInput } from "./lib/programs.mjs";
import { rulesIn, testsIn } from "./lib/rule-files.mjs";

export const name = "Prometheus' rules pass their tests and use only metrics that exist";

const folder = join(root, "deploy/observability");
const read = (path) => readFileSync(join(folder, path), "utf8");

/** What Prometheus itself adds: to series, and for each of its targets. */
const LABELS_OF_PROMETHEUS = ["job", "instance", "le"];
const METRICS_OF_PROMETHEUS = ["up"];
const SEVERITIES = ["page", "ticket"];

export async function install() {
  ensureProgram("promtool", "prometheus");
}

export async function run() {
  const ruleFiles = list("rules/*.yml");
  const testFiles = list("rules/tests/*.yml");
  const rules = ruleFiles.flatMap((path) => rulesIn(read(path)).map((rule) => ({ ...rule, path })));
  const problems = [];

  await promtool("check", "rules", ...ruleFiles);
  const config = await promtool("check", "config", "prometheus.yml");
  // Those that prometheus.yml names are the ones in the folder: promtool says which it has followed.
  for (const path of ruleFiles) {
    if (!config.includes(`Checking ${path}\n`)) problems.push(`prometheus.yml does not load ${path}`);
  }
  const results = await Promise.allSettled(testFiles.map((path) => promtool("test", "rules", path)));
  problems.push(...results.filter(({ reason }) => reason).map(({ reason }) => reason.message));

  problems.push(...formProblems(rules), ...coverageProblems(rules, testFiles), ...(await nameProblems(rules)));
  if (problems.length > 0) throw new Error(problems.join("\n"));
  const alerts = rules.filter(({ kind }) => kind === "alert").length;
  console.log(`${alerts} alerts and ${rules.length - alerts} recording rules pass ${testFiles.length} files of tests`);
}

function list(pattern) {
  const paths = globSync(pattern, { cwd: folder }).sort();
  if (paths.length === 0) throw new Error(`no file matches deploy/observability/${pattern}`);
  return paths;
}

/** Runs where the configuration lies, so that paths are those that it names. Throws unless promtool is content. */
async function promtool(...args) {
  const { code, output } = await runWithInput("promtool", args, "", { cwd: folder });
  if (code !== 0) throw new Error(`promtool ${args.join(" ")} ended with ${code}\n${output.trim()}`);
  return output;
}

/** Every alert says how urgent it is, what has happened, and what to do; the page about alerts has a row for it. */
function formProblems(rules) {
  const page = read("README.md");
  const problems = [];
  for (const { name: alert, path, labels, annotations } of rules.filter(({ kind }) => kind === "alert")) {
    if (!SEVERITIES.includes(labels.severity)) {
      problems.push(`${path}: ${alert} must have a severity of ${SEVERITIES.join(" or ")}, got ${labels.severity}`);
    }
    if (!page.includes(`\n| \`${alert}\` | ${labels.severity} |`)) problems.push(`README.md: no row for ${alert}`);
    for (const annotation of ["summary", "description"]) {
      const written = /^.+$/.test(annotations[annotation] ?? "");
      if (!written) problems.push(`${path}: ${alert} has no ${annotation} of one line`);
    }
  }
  return problems;
}

/** Every alert is tested firing and quiet, every recorded name is asked for in a test. */
function coverageProblems(rules, testFiles) {
  const tests = testFiles.map((path) => testsIn(read(path)));
  const asked = tests.flatMap((test) => test.asked.flatMap((expr) => namesIn(expr).metrics));
  return rules.flatMap(({ kind, name: rule, path }) => {
    if (kind === "record") return asked.includes(rule) ? [] : [`${path}: no test asks for ${rule}`];
    return ["firing", "quiet"]
      .filter((state) => !tests.some((test) => test[state].has(rule)))
      .map((state) => `${path}: no test has ${rule} ${state}`);
  });
}

/** Every metric and label exists. */
async function nameProblems(rules) {
  const { metrics: known, labels: knownLabels } = await knownNames();
  for (const { kind, name: rule } of rules) if (kind === "record") known.add(rule);
  return rules.flatMap(({ name: rule, path, expr }) => {
    const { metrics, labels } = namesIn(expr);
    if (metrics.length === 0) return [`${path}: ${rule} asks for no metric: ${expr}`];
    return [
      ...metrics
        .filter((metric) => !known.has(metric))
        .map((metric) => `${path}: ${rule} asks for ${metric}, which neither @headgate/otel nor /metrics has`),
      ...labels
        .filter((label) => !knownLabels.has(label))
        .map((label) => `${path}: ${rule} asks for the label ${label}, which no metric has`),
    ];
  });
}

/**
 * Names as Prometheus sees them: those of the definitions, as not every metric has series in every gateway, and those that a
 * gateway shows.
 */
async function knownNames() {
  const defined = await definedMetrics();
  const shown = typesIn(await liveMetrics());
  const others = shown.filter(({ name: metric }) => !defined.some((each) => each.name === metric));
  console.log(`${defined.length} metrics are defined, /metrics shows ${shown.length}, ${others.length} of them others`);
  if (shown.length === others.length) throw new Error("/metrics shows none of the defined metrics");
  return {
    metrics: new Set([...METRICS_OF_PROMETHEUS, ...[...defined, ...shown].flatMap(seriesNames)]),
    labels: new Set([...LABELS_OF_PROMETHEUS, ...defined.flatMap(({ labels }) => labels)]),
  };
}

async function liveMetrics() {
  const gateway = await startGateway();
  try {
    await get(`${gateway.url}/demo/echo`);
    await get(`${gateway.url}/demo/status/503`);
    return (await get(`${gateway.url}/metrics`)).text;
  } finally {
    await gateway.stop();
  }
}
