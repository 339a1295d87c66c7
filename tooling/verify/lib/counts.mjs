// Counts: what a vitest report amounts to, and the closing line that every run ends with. Pure.
import { relative } from "node:path";

/**
 * Counts the tests of a vitest JSON report. What failed outside a test (a file that does not load, a hook, an
 * unhandled error, no report at all) counts as one failure each.
 *
 * @param {any} report the parsed report, or nothing when vitest wrote none
 * @param {number} exitCode of vitest
 */
export function countTests(report, exitCode) {
  if (!report) return { passed: 0, failed: 1, skipped: 0 };
  const brokenFiles = report.testResults.filter(
    (file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"),
  ).length;
  const failed = report.numFailedTests + brokenFiles;
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/**
 * What failed, a line each: the file, the test and the first line of why.
 *
 * @param {any} report the parsed report, or nothing when vitest wrote none
 * @param {string} root the folder that the files are named from
 * @returns {string[]}
 */
export function failuresOf(report, root) {
  return (report?.testResults ?? []).flatMap((file) => {
    const path = relative(root, file.name);
    const failed = file.assertionResults.filter((test) => test.status === "failed");
    if (failed.length === 0) return file.status === "failed" ? [`${path}: ${firstLine(file.message)}`] : [];
    return failed.map((test) => `${path} > ${test.fullName}: ${firstLine(test.failureMessages.join("\n"))}`);
  });
}

const firstLine = (text = "") => text.trim().split("\n", 1)[0] || "it does not say why";

/** `12 passed, 0 failed`, and `, 1 skipped` after it where something was. */
export function closingLine({ passed, failed, skipped = 0 }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}
