import { describe, expect, it } from "vitest";
import { closingLine, countTests, failuresOf } from "../lib/counts.mjs";

const file = (status: string, ...tests: string[]) => ({
  status,
  assertionResults: tests.map((each) => ({ status: each })),
});
const report = (numPassedTests: number, numFailedTests: number, testResults: object[], numPendingTests = 0) => ({
  numPassedTests,
  numFailedTests,
  numPendingTests,
  numTodoTests: 0,
  testResults,
});

describe("countTests", () => {
  it("counts the tests of the report", () => {
    const counts = countTests(report(2, 1, [file("failed", "passed", "failed"), file("passed", "passed")]), 1);
    expect(counts).toEqual({ passed: 2, failed: 1, skipped: 0 });
  });

  it("counts a file that failed outside its tests as one failure", () => {
    expect(countTests(report(1, 0, [file("failed"), file("passed", "passed")]), 1).failed).toBe(1);
    expect(countTests(report(2, 1, [file("failed", "passed"), file("failed", "passed", "failed")]), 1).failed).toBe(2);
  });

  it("counts a failing exit that no test explains as one failure", () => {
    expect(countTests(report(3, 0, [file("passed", "passed", "passed", "passed")]), 1).failed).toBe(1);
  });

  it("counts a missing report as one failure", () => {
    expect(countTests(undefined, 0)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });
});

describe("failuresOf", () => {
  const test = (status: string, fullName: string, ...failureMessages: string[]) => ({
    status,
    fullName,
    failureMessages,
  });

  it("names the file, the test and the first line of why", () => {
    const testResults = [
      { name: "/project/a.test.ts", status: "passed", assertionResults: [test("passed", "adds")] },
      {
        name: "/project/sub/b.test.ts",
        status: "failed",
        assertionResults: [
          test("passed", "is fine"),
          test("failed", "counts", "expected 1 to be 2\n    at b.test.ts:3"),
        ],
      },
    ];
    expect(failuresOf({ testResults }, "/project")).toEqual(["sub/b.test.ts > counts: expected 1 to be 2"]);
  });

  it("names a file that failed outside its tests", () => {
    const broken = { name: "/project/a.test.ts", status: "failed", message: "no such module", assertionResults: [] };
    expect(failuresOf({ testResults: [broken] }, "/project")).toEqual(["a.test.ts: no such module"]);
  });

  it("has nothing to say without a report", () => {
    expect(failuresOf(undefined, "/project")).toEqual([]);
  });
});

describe("closingLine", () => {
  it("names skipped tests only where there are some", () => {
    expect(closingLine({ passed: 12, failed: 0 })).toBe("12 passed, 0 failed");
    expect(closingLine({ passed: 12, failed: 3, skipped: 1 })).toBe("12 passed, 3 failed, 1 skipped");
  });
});
