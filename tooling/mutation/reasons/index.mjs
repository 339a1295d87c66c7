// Why a mutant may survive: [file, a part of the line, a part of "code → what it becomes" or undefined, the reason].
// "Open" is a case that no test has. "Equivalent" changes nothing that anybody can observe; "faster" only makes the same answer cheaper; "twice" is checked at
// another place too; "context" shows in asynchronous context alone, which the tests see on Node by other means.
import { algorithms } from "./algorithms.mjs";
import { answers } from "./answers.mjs";
import { breaker } from "./breaker.mjs";
import { engine } from "./engine.mjs";
import { limits } from "./limits.mjs";
import { time } from "./time.mjs";

export const reasons = [...engine, ...time, ...breaker, ...limits, ...algorithms, ...answers];
