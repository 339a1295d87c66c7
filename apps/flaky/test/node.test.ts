import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { createFlaky } from "../src/app.ts";
import { serveFlaky } from "../src/node.ts";
import { countsBecome, failureCode, startFlaky } from "./support.ts";

describe("createFlaky", () => {
  it.each([0, -1, 1.5, Number.NaN, 2 ** 31])("refuses a maxQueueMs of %d", (maxQueueMs) => {
    expect(() => createFlaky({ maxQueueMs })).toThrow(
      `\`flaky.maxQueueMs\` must be an integer from 1 to 2147483647, got ${maxQueueMs}`,
    );
  });
});

describe("serveFlaky", () => {
  it("says where it listens", async () => {
    const flaky = await startFlaky();
    expect(flaky.url).toBe(`http://127.0.0.1:${flaky.port}`);
    expect(flaky.port).toBeGreaterThan(0);
  });

  it("rejects when the port is taken", async () => {
    const { port } = await startFlaky();
    await expect(serveFlaky({ port })).rejects.toMatchObject({ code: "EADDRINUSE" });
  });

  it("ends every connection when it closes, however often", async () => {
    const flaky = await serveFlaky();
    const hanging = failureCode(fetch(`${flaky.url}/hang`));
    const streaming = await fetch(`${flaky.url}/drip?everyMs=60000`);
    await countsBecome(flaky, { inFlight: 2 });
    await Promise.all([flaky.close(), flaky.close()]);
    expect(await hanging).toBe("UND_ERR_SOCKET");
    expect(await failureCode(streaming.text())).toBe("UND_ERR_SOCKET");
    expect(await failureCode(fetch(flaky.url))).toBe("ECONNREFUSED");
  });

  it("leaves the globals as they are", async () => {
    const { Request: before } = globalThis;
    await startFlaky();
    expect(globalThis.Request).toBe(before);
  });
});

// At the same time, because starting a process takes longest.
describe.concurrent("node.ts as a program", () => {
  const program = fileURLToPath(new URL("../src/node.ts", import.meta.url));

  function run(env: Record<string, string>): ChildProcess {
    return spawn(process.execPath, [program], { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  }

  it.each(["SIGTERM", "SIGINT"] as const)("listens, and stops on %s with a request under way", async (signal) => {
    const child = run({ PORT: "0" });
    const [output] = (await once(child.stdout as NodeJS.EventEmitter, "data")) as [Buffer];
    const url = /http:\S+/.exec(output.toString())?.[0] ?? "";
    const hanging = failureCode(fetch(`${url}/hang`));
    await countsBecome({ url }, { inFlight: 1 });
    child.kill(signal);
    expect(await once(child, "exit")).toEqual([0, null]);
    expect(await hanging).toBe("UND_ERR_SOCKET");
  });

  it("refuses a PORT that is none", async () => {
    const child = run({ PORT: "http" });
    const errors: string[] = [];
    child.stderr?.on("data", (data: Buffer) => errors.push(data.toString()));
    expect(await once(child, "close")).toEqual([1, null]);
    expect(errors.join("")).toContain('PORT must be an integer from 0 to 65535, got "http"');
  });
});
