import { lowerPriority, type PriorityClass, priorityClassOf, toPriority } from "@headgate/core";
import { formatPriority, readPriority } from "@headgate/core/fetch";
import { describe, expect, it } from "vitest";
import { priorityClasses } from "../priority.ts";

const classOf = (fields: Record<string, string>, trusted = true) =>
  priorityClassOf(readPriority(new Headers(fields), trusted));

describe("readPriority", () => {
  it.each<[string, PriorityClass]>([
    ["u=0", "critical-plus"],
    ["u=1", "critical"],
    ["u=2, i", "critical"],
    ["u=3", "normal"],
    ["i, u=4", "sheddable-plus"],
    ["u=5;a=1", "sheddable-plus"],
    ["  u=6 ", "sheddable"],
    ["u=7", "sheddable"],
    ["u=1, u=7", "sheddable"],
  ])("takes `%s` for %s", (priority, expected) => {
    expect(classOf({ priority })).toBe(expected);
  });

  it.each(["", "i", "u=8", "u=-1", "u=0.5", "u", "u=0x", "urgent", 'a="u=0"', 'a="\\", u=0"', "u=0, u=high"])(
    "takes `%s` for what is usual",
    (priority) => {
      expect(classOf({ priority })).toBe("normal");
    },
  );

  it("believes nobody unless it is told to", () => {
    expect(classOf({ priority: "u=0" }, false)).toBe("normal");
    expect(priorityClassOf(readPriority(new Headers({ priority: "u=0" })))).toBe("normal");
    expect(classOf({})).toBe("normal");
  });

  it("takes a retry for one class lower, whoever says so", () => {
    expect(classOf({ "x-envoy-attempt-count": "2" }, false)).toBe("sheddable-plus");
    expect(classOf({ "grpc-previous-rpc-attempts": "1" }, false)).toBe("sheddable-plus");
    expect(classOf({ priority: "u=0", "grpc-previous-rpc-attempts": "3", "x-envoy-attempt-count": "4" })).toBe(
      "critical",
    );
    expect(classOf({ priority: "u=7", "x-envoy-attempt-count": "2" })).toBe("sheddable");
  });

  it("takes a first attempt for one", () => {
    expect(classOf({ "x-envoy-attempt-count": "1" })).toBe("normal");
    expect(classOf({ "grpc-previous-rpc-attempts": "0" })).toBe("normal");
    expect(classOf({ "x-envoy-attempt-count": "many", "grpc-previous-rpc-attempts": "-1" })).toBe("normal");
  });
});

describe("formatPriority", () => {
  it("writes what reads as the same class", () => {
    for (const priorityClass of priorityClasses)
      expect(classOf({ priority: formatPriority(toPriority(priorityClass, 100)) })).toBe(priorityClass);
    expect(formatPriority(0)).toBe("u=3");
    expect(formatPriority(lowerPriority(toPriority("critical")))).toBe("u=3");
  });

  it("writes attempts after the first one class lower", () => {
    expect([1, 2, 3].map((attempt) => formatPriority(toPriority("critical"), attempt))).toEqual(["u=1", "u=3", "u=3"]);
    expect(formatPriority(toPriority("sheddable"), 2)).toBe("u=7");
  });
});
