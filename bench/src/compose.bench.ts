// Four policies around one call, against the same by hand and against other libraries: `npm run bench`.
//
//   -- --quick   a tenth of the rounds: figures to look at, not to quote
//   -- --write   puts the tables into bench/README.md
import { flags } from "./flags.ts";
import { compare, type Figures, type Plan } from "./harness.ts";
import {
  atLeast,
  atMost,
  figuresTable,
  find,
  machine,
  ratioOf,
  type Target,
  targetsTable,
  writeToReadme,
} from "./report.ts";
import { failing, limited, names, queued, refused, stack, stacked, success, timeouts, twoTimeouts } from "./suites.ts";
import type { Suite } from "./suites.ts";

const options = flags("quick", "write");

const plan: Plan = options.quick
  ? { rounds: 9, sampleMs: 10, warmUpMs: 100 }
  : { rounds: 75, sampleMs: 15, warmUpMs: 400 };

const output: string[] = [];
say(machine(["cockatiel", "opossum", "effect", "p-limit"]));
const targets: Target[] = [];
for (const [suite, judge] of [
  [success, judgeSuccess],
  [stacked, judgeStack],
  [twoTimeouts, judgeTimeouts],
  [queued, judgeQueued],
  [limited, judgeLimited],
  [refused, judgeRefused],
  [failing, judgeFailing],
] as const)
  targets.push(...judge(await measure(await suite())));

say("### Targets");
say(targetsTable(targets));
if (options.write) writeToReadme("compose", output.join("\n\n"));
// Breakers of peers keep timers that would hold the process.
process.exit(targets.every(({ met }) => met) ? 0 : 1);

async function measure({ title, note, cases }: Suite): Promise<Figures[]> {
  const measured = await compare(cases, plan);
  say(`### ${title}`);
  say(figuresTable(measured, cases.some(({ name }) => name === names.headgate) ? names.headgate : names.bare));
  if (note !== undefined) say(note);
  return measured;
}

function judgeSuccess(figures: readonly Figures[]): Target[] {
  const { bytes } = find(figures, names.headgate);
  return [
    atMost(1.3, "× the four policies by hand", ratioOf(figures, names.headgate, names.fused)),
    atLeast(20, "× faster than cockatiel", ratioOf(figures, names.cockatiel, names.headgate)),
    atLeast(2, "× faster than opossum, which has no retry", ratioOf(figures, names.opossum, names.headgate)),
    atMost(1024, "bytes a call", bytes),
    atMost(1.5, "× the same, when a caller's signal is given and read", ratioOf(figures, names.signal, names.headgate)),
  ];
}

function judgeStack(figures: readonly Figures[]): Target[] {
  const last = stack[stack.length - 1] as string;
  const furtherNs = stack
    .slice(1)
    .map((name, i) => find(figures, name).medianNs - find(figures, stack[i] as string).medianNs);
  return [
    atMost(5, "× the bare call, without a timeout", ratioOf(figures, last, names.bare)),
    atMost(25, "ns for each further policy, the dearest", Math.max(...furtherNs)),
  ];
}

function judgeTimeouts(figures: readonly Figures[]): Target[] {
  return [
    atMost(1.7, "× one timeout, with a total and an attempt timeout", ratioOf(figures, timeouts.two, timeouts.one)),
  ];
}

function judgeQueued(figures: readonly Figures[]): Target[] {
  return [atMost(4.5, "× a bare async function, 800 of 1,000 queued", ratioOf(figures, names.headgate, names.bare))];
}

function judgeLimited(figures: readonly Figures[]): Target[] {
  return [atMost(1.2, "× p-limit, 100,000 behind a limit of 10", ratioOf(figures, names.headgate, names.pLimit))];
}

function judgeRefused(figures: readonly Figures[]): Target[] {
  return [
    atMost(1.6, "× a bare throw, refused by an open breaker", ratioOf(figures, names.headgate, names.bare)),
    atMost(0.5, "× a bare throw, the same with `attempt()`", ratioOf(figures, names.result, names.bare)),
  ];
}

function judgeFailing(figures: readonly Figures[]): Target[] {
  return [atMost(1.35, "× the bare loop, 4 failing attempts", ratioOf(figures, names.headgate, names.bare))];
}

function say(text: string): void {
  output.push(text);
  console.log(`${text}\n`);
}
