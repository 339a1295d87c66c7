// Loaded into a server with `--import`: how long who comes at any moment waits until the event loop turns to him, by the CPU that
// the main thread uses between two ticks of a timer. Whatever else runs on the machine does not count, the clients included.
// Says so on SIGUSR2, of the time since it last did: `waits {"p99Ms":1.2,"longestMs":5.5}`.

/** What is shorter than this cannot be told apart. */
const RESOLUTION_MS = 2;
const SHARE = 0.01;

const usedMs = () => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

let turns = [];
let sinceMs = performance.now();
let last = usedMs();
setInterval(() => {
  const now = usedMs();
  turns.push(now - last);
  last = now;
}, RESOLUTION_MS).unref();

process.on("SIGUSR2", () => {
  const overMs = (performance.now() - sinceMs) * SHARE;
  turns.sort((a, b) => b - a);
  const said = { p99Ms: exceededFor(turns, overMs), longestMs: turns[0] ?? 0 };
  turns = [];
  sinceMs = performance.now();
  console.log(`waits ${JSON.stringify(said)}`);
});

/** The wait that the longest turns are beyond for `overMs` together: who comes `d` before the end of one waits `d`. */
function exceededFor(longestFirst, overMs) {
  let sum = 0;
  for (let count = 1; count <= longestFirst.length; count++) {
    sum += longestFirst[count - 1];
    const wait = (sum - overMs) / count;
    if (wait >= (longestFirst[count] ?? 0)) return Math.max(0, wait);
  }
  return 0;
}
