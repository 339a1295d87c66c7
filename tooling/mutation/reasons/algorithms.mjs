// Why mutants of the algorithms of adaptive limits may survive; the shape of a reason stands in `index.mjs`.
const rounded = "equivalent but for a logarithm that meets the bound to the last bit";
const uncertain = "open: a probe whose windows are not sure of their mean";

export const algorithms = [
  ["limit-window.ts", "inFlight > this.peak", ">=", "equivalent: the same peak"],
  [
    "knee-descent.ts",
    "flatFrom === undefined",
    "flatFrom === undefined → false",
    "equivalent: whoever has a beginning has a mark; it is for the type",
  ],
  ["knee-descent.ts", "depth < 0.5 &&", "<=", rounded],
  ["knee-descent.ts", "slope + doubt < 0.5", "<=", rounded],
  ["knee-descent.ts", "slope - doubt > 0.5", ">=", rounded],
  ["knee-limit.ts", "meanMs > baseline.ms * (1", ">=", rounded],
  ["knee-limit.ts", "meanMs <= baseline.ms * (1", "<", rounded],
  ["knee-limit.ts", "meanMs <= goalMs", "meanMs < goalMs", rounded],
  ["knee-limit.ts", "far * this.goalMs", ">=", rounded],
  ["knee-limit.ts", "window.uncertainty <= enough", "<", rounded],
  ["knee-limit.ts", "way > -farthest / 2", ">=", rounded],
  ["knee-limit.ts", "slope + doubt < 0.5", "<=", rounded],
  ["knee-limit.ts", "way > 0", ">=", "equivalent: a way of 0 moves nothing"],
  [
    "knee-limit.ts",
    "this.exact > this.initialLimit",
    "this.exact >= this.initialLimit",
    "equivalent: it is set to what it is",
  ],
  ["knee-limit.ts", "beforeProbe = {", undefined, "equivalent: it is set before each probe"],
  ["knee-limit.ts", "baseline.rises(window, nowMs)", undefined, "open: a search that a rising baseline begins"],
  ["knee-limit.ts", "goal < 1", undefined, "open: a limit that comes back to exactly one"],
  ["knee-limit.ts", "this.descent.end()", undefined, "open: a descent that drops or a rest interrupt"],
  ["knee-limit.ts", "probeEvery / 2", undefined, "open: when the first probe after a descent is made"],
  ["knee-limit.ts", "this.exact >= 2", undefined, "open: no probe below a limit of two"],
  ["knee-limit.ts", "const doubt", undefined, uncertain],
  ["knee-limit.ts", "2 * uncertainty", undefined, uncertain],
  ["knee-limit.ts", "slope + doubt", "-", uncertain],
];
