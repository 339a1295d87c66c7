export { problem, toProblem } from "./problem.ts";
export type { Problem, ProblemKind, ProblemParts } from "./problem.ts";
