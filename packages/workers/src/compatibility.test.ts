import { assertCompatibility, CompatibilityError, minCompatibilityDate } from "@headgate/workers";
import { afterEach, describe, expect, it, vi } from "vitest";

function withFlags(flags: Record<string, boolean> | undefined): void {
  vi.stubGlobal("Cloudflare", flags && { compatibilityFlags: flags });
}

describe("assertCompatibility", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  it("passes where a request wakes another one", () => {
    withFlags({ handle_cross_request_promise_resolution: true });
    expect(assertCompatibility).not.toThrow();
  });

  it("passes where the runtime says nothing, or nothing of this flag", () => {
    withFlags(undefined);
    expect(assertCompatibility).not.toThrow();
    withFlags({ nodejs_compat: true });
    expect(assertCompatibility).not.toThrow();
  });

  it("says what is needed where a request does not wake another one", () => {
    withFlags({ handle_cross_request_promise_resolution: false });
    let error: unknown;
    try {
      assertCompatibility();
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(CompatibilityError);
    expect(error).toMatchObject({ code: "ERR_COMPATIBILITY", name: "CompatibilityError" });
    expect((error as Error).message).toContain(`the compatibility date ${minCompatibilityDate} or later`);
  });
});
