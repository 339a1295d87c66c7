// Why mutants of the algorithms of adaptive limits may survive; the shape of a reason stands in `index.mjs`.
const rounded = "equivalent but for a logarithm that meets the bound to the last bit";

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
];
