// The documentation tells the truth: every `ts` block compiles and runs, every `// =>` holds, every link leads somewhere.
// A block fenced as `ts no-run` is compiled only (it would serve, wait or call the network).
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, dirname, join, posix } from "node:path";
import { ASSERTION_MODULE, toModule } from "./lib/docs-module.mjs";
import { anchors, fencedBlocks, links } from "./lib/markdown.mjs";
import { run } from "./lib/run.mjs";
import { finish, projectFiles, root, SOURCE_CONDITION, workspacePackages } from "./lib/workspace.mjs";

const RUN_LIMIT_MS = 10_000;
const folder = join(root, "tooling/checks/dist/docs");
const problems = [];
const pages = projectFiles("*.md").filter((path) => !/(^|\/)CHANGELOG\.md$|^\.changeset\//.test(path));
const read = (path) => readFileSync(join(root, path), "utf8");

const blocks = pages.flatMap(blocksOf);
if (blocks.length > 0) {
  prepareFolder();
  for (const { file, source } of blocks) writeFileSync(join(folder, file), source);
  await compile();
  await inParallel(
    blocks.filter((block) => block.runs),
    runBlock,
  );
}
const linkCount = pages.map(checkLinks).reduce((sum, count) => sum + count, 0);
const ran = blocks.filter((block) => block.runs).length;
finish(
  "docs",
  problems,
  `${pages.length} pages: ${blocks.length} blocks compile, ${ran} run, ${linkCount} links lead somewhere`,
);

/** The blocks of a page as modules. What would get past the check by its fence is a problem. */
function blocksOf(page) {
  try {
    return fencedBlocks(read(page)).flatMap((block) => {
      const [language = "", ...words] = block.info.split(/\s+/);
      const at = `${page}:${block.line - 1}`;
      if (/^(typescript|tsx|javascript|jsx?|mjs|mts)$/i.test(language)) {
        problems.push(`${at}: fence it as \`ts\` so that it is checked, not \`${language}\``);
      }
      if (language !== "ts") return [];
      if (words.length > 1 || (words.length === 1 && words[0] !== "no-run")) {
        problems.push(`${at}: \`ts\` and \`ts no-run\` are the only fences, not \`${block.info}\``);
      }
      const file = `${page.replaceAll("/", "+")}+${block.line}.ts`;
      return [{ page, file, line: block.line, runs: words.length === 0, source: toModule(block) }];
    });
  } catch (error) {
    problems.push(`${page}: ${error.message}`);
    return [];
  }
}

/** A folder that is ignored, inside the workspace, where a block finds the packages and what they stand on. */
function prepareFolder() {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const link = (name, target) => {
    const path = join(folder, "node_modules", name);
    if (existsSync(path) || !existsSync(target)) return;
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync(target, path, "junction");
  };
  for (const { group, name, dir, manifest } of workspacePackages().sort((a, b) => b.group.localeCompare(a.group))) {
    if (group !== "packages" && group !== "apps") continue;
    if (manifest.exports) link(name, join(root, dir));
    const wanted = { ...manifest.dependencies, ...manifest.peerDependencies, ...manifest.devDependencies };
    for (const each of Object.keys(wanted)) {
      if (!each.startsWith("@headgate/")) link(each, join(root, dir, "node_modules", each));
    }
  }
  const compilerOptions = {
    lib: ["ES2024", "WebWorker", "WebWorker.AsyncIterable"],
    types: ["node"],
    declaration: false,
    isolatedDeclarations: false,
    noUnusedLocals: false,
    noUnusedParameters: false,
  };
  const config = { extends: "../../../tsconfig/base.json", compilerOptions, include: ["*.ts"] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  writeFileSync(join(folder, "assertion.ts"), ASSERTION_MODULE);
}

async function compile() {
  const tsc = join(root, "node_modules/.bin/tsc");
  const { ok, output } = await run(tsc, ["-p", folder, "--pretty", "false"], { cwd: root, limitMs: 120_000 });
  const errors = output.split("\n").filter((text) => text.includes("error TS"));
  if (!ok) problems.push(...(errors.length > 0 ? errors : [`tsc failed\n${output}`]).map(toPage));
}

async function runBlock({ page, line, file }) {
  const args = [`--conditions=${SOURCE_CONDITION}`, "--disable-warning=ExperimentalWarning", join(folder, file)];
  const { ok, late, output } = await run(process.execPath, args, { cwd: root, limitMs: RUN_LIMIT_MS });
  if (late)
    problems.push(
      `${page}:${line}: did not end within ${RUN_LIMIT_MS / 1000} s; fence it as \`ts no-run\` if it must not`,
    );
  else if (!ok) problems.push(`${page}:${line}: fails when run\n${toPage(output.trim())}`);
}

/** Puts the page in the place of the module made from it: the lines are the same. */
function toPage(text) {
  let result = text
    .replaceAll("file://", "")
    .replaceAll(`${folder}/`, "")
    .replaceAll(`${posix.relative(root, folder)}/`, "");
  for (const { file, page } of blocks) result = result.replaceAll(file, page);
  return result;
}

async function inParallel(items, work) {
  const queue = [...items];
  const next = async () => {
    for (let item = queue.shift(); item; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, next));
}

function checkLinks(page) {
  const relative = links(read(page)).filter(({ target }) => !/^[a-z][a-z+.-]*:/i.test(target));
  for (const { target, line } of relative) {
    const [path, anchor] = decodeURI(target).split("#");
    const file = path === "" ? page : posix.join(path.startsWith("/") ? "." : dirname(page), path);
    if (!existsSync(join(root, file))) problems.push(`${page}:${line}: ${target} leads nowhere`);
    else if (
      anchor &&
      statSync(join(root, file)).isFile() &&
      basename(file).endsWith(".md") &&
      !anchors(read(file)).has(anchor)
    ) {
      problems.push(`${page}:${line}: ${target}: ${file} has no heading of that name`);
    }
  }
  return relative.length;
}
