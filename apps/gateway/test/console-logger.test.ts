import { afterEach, describe, expect, it, vi } from "vitest";
import { consoleLogger } from "../src/worker/console-logger.ts";

afterEach(() => void vi.restoreAllMocks());

describe("consoleLogger", () => {
  it("writes a line of JSON for what is at least of its level", () => {
    const info = vi.spyOn(console, "info").mockImplementation(() => {});
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const logger = consoleLogger("warn");
    logger.info({ event: "a" }, "said too much");
    logger.warn({ event: "b", name: "shop" }, "opened");
    consoleLogger("silent").error({ event: "c" }, "nothing");
    expect(info).not.toHaveBeenCalled();
    expect(JSON.parse(warn.mock.calls[0]?.[0] as string)).toEqual({
      level: "warn",
      time: expect.stringMatching(/Z$/) as string,
      event: "b",
      name: "shop",
      msg: "opened",
    });
  });
});
