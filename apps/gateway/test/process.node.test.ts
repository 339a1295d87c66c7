// The gateway as a process, as `npm start` runs it: what it prints, how it refuses to start, how it stops.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { HeldUpstream } from "./support/held-upstream.ts";
import { eventually, send } from "./support/http-client.ts";

const program = fileURLToPath(new URL("../src/node.ts", import.meta.url));
const started: ChildProcess[] = [];

afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
});

function start(environment: Readonly<Record<string, string>>, ...args: readonly string[]) {
  const child = spawn(process.execPath, ["--conditions=headgate-source", program, ...args], {
    env: {
      ...process.env,
      PORT: "0",
      DEMO_PORT: "0",
      READINESS_GRACE_MS: "0",
      HEADGATE_CONFIG: "",
      OTEL_EXPORTER_OTLP_ENDPOINT: "",
      ...environment,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  started.push(child);
  const said = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said.out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said.err += text));
  // "close", not "exit": everything that it has said is here then.
  const ended = once(child, "close").then(([code, signal]) => (code ?? signal) as number | string);
  return { child, said, ended };
}

function configFile(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), "headgate-")), "gateway.json");
  writeFileSync(path, text);
  return path;
}

const urlOf = (out: string): string | undefined =>
  /^Headgate gateway: +(http:\S+)$/m.exec(out)?.[1] ??
  (logged(out, "gateway.started")[0]?.["url"] as string | undefined);

/** The lines of the log that say this. */
function logged(out: string, event: string): Record<string, unknown>[] {
  const whole = out.slice(0, out.lastIndexOf("\n") + 1).split("\n");
  const lines = whole.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Record<string, unknown>);
  return lines.filter((line) => line["event"] === event);
}

/** Calls that all workers together have counted as successes. */
async function succeeded(url: string): Promise<number> {
  const text = Buffer.from((await send(`${url}/metrics`)).body).toString();
  const [, count] = /^async_pipeline_success_total\{pipeline_name="demo"\} (\d+)$/m.exec(text) ?? [];
  return Number(count);
}

describe("the gateway's process", () => {
  it("starts with the demo upstream and says what to try", async () => {
    const { child, said, ended } = start({});
    const url = await eventually(() => urlOf(said.out));
    await eventually(() => (said.out.includes("/metrics") ? true : undefined));
    expect(said.out).toMatch(/^Demo upstream: +http:\/\/127\.0\.0\.1:\d+$/m);
    const curls = [...said.out.matchAll(/^ +curl (?:-i )?(\S+)$/gm)].map(([, address]) => address as string);
    expect(curls).toHaveLength(3);
    const statuses = await Promise.all(curls.map(async (address) => (await send(address)).status));
    expect([url.startsWith("http://127.0.0.1:"), ...statuses]).toEqual([true, 200, 503, 200]);
    const metrics = Buffer.from((await send(`${url}/metrics`)).body).toString();
    expect(metrics).toContain('"demo"');
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
    expect(said.err).toBe("");
  });

  it.each([
    [
      "that is wrong",
      configFile('{ "routes": [{ "name": "a", "pathPrefix": "/a", "upstream": 1 }] }'),
      "routes[0].upstream must be of type string, got 1",
    ],
    ["that is not JSON", configFile("{ routes: [] }"), "must be JSON, got"],
    ["that is not there", "/nowhere/gateway.json", "must be a file that can be read, got"],
  ])("does not start with a configuration %s", async (_, path, message) => {
    const { said, ended } = start({ HEADGATE_CONFIG: path });
    expect(await ended).toBe(1);
    expect(said.err).toContain(path);
    expect(said.err).toContain(`is not a usable configuration:\n  ${message}`);
    expect(said.err).not.toContain("    at ");
    expect(logged(said.out, "gateway.failed")).toMatchObject([
      { level: "error", code: "ERR_CONFIG", msg: expect.stringContaining(message) as string },
    ]);
  });

  it("does not start on a port that is none", async () => {
    const { said, ended } = start({ PORT: "http" });
    expect(await ended).toBe(1);
    expect(said.err).toContain('PORT must be an integer from 0 to 65535, got "http"');
  });

  it("does not start with a number of workers that is none", async () => {
    const { said, ended } = start({}, "--workers", "many");
    expect(await ended).toBe(1);
    expect(said.err).toContain('--workers must be "auto" or an integer from 1 to 999, got many');
  });

  it("serves with several workers, adds up what they counted, and replaces one that dies", async () => {
    const { child, said, ended } = start({}, "--workers", "2");
    const url = await eventually(() => urlOf(said.out));
    const pids = await eventually(() => logged(said.out, "cluster.started")[0]?.["pids"] as number[] | undefined);
    const answers = await Promise.all(Array.from({ length: 40 }, () => send(`${url}/demo/echo`)));
    expect(answers.map(({ status }) => status)).toEqual(Array(40).fill(200));
    await expect.poll(() => succeeded(url)).toBe(40);
    process.kill(pids[0] as number, "SIGKILL");
    await eventually(() => (said.out.includes("cluster.worker-exited") ? true : undefined));
    await eventually(async () =>
      (await send(`${url}/readyz`).catch(() => undefined))?.status === 200 ? true : undefined,
    );
    expect((await send(`${url}/demo/echo`)).status).toBe(200);
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  });

  it("logs JSON alone with a configuration of its own: starts, transitions and stops, and no call", async () => {
    const upstream = new HeldUpstream();
    const route = { name: "held", pathPrefix: "/held", upstream: await upstream.listen(), retry: { maxAttempts: 1 } };
    const config = { routes: [{ ...route, circuitBreaker: { maxFailures: 2, openMs: 60_000 } }] };
    try {
      const { child, said, ended } = start({ HEADGATE_CONFIG: configFile(JSON.stringify(config)) });
      const url = await eventually(() => urlOf(said.out));
      await upstream.close();
      for (let i = 0; i < 20; i++) expect((await send(`${url}/held/gone`)).status).toBeGreaterThanOrEqual(502);
      child.kill("SIGTERM");
      expect(await ended).toBe(0);
      const lines = said.out
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(lines.map(({ level, event, phase }) => [level, event, ...(phase === undefined ? [] : [phase])])).toEqual([
        ["info", "gateway.started"],
        ["warn", "circuit-breaker.opened"],
        ...["grace", "draining", "flushing", "done"].map((phase) => ["info", "gateway.shutdown", phase]),
      ]);
      expect(lines[1]).toMatchObject({
        pipeline: "held",
        name: "held",
        msg: 'circuit "held" opened',
        pid: child.pid,
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as string,
      });
    } finally {
      await upstream.close().catch(() => {});
    }
  });

  it("logs nothing where LOG_LEVEL says so, and refuses a level that is none", async () => {
    const { child, said, ended } = start({ LOG_LEVEL: "silent" });
    await eventually(() => urlOf(said.out));
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
    expect(said.out).not.toContain('"event"');
    const wrong = start({ LOG_LEVEL: "loud" });
    expect(await wrong.ended).toBe(1);
    expect(wrong.said.err).toContain('LOG_LEVEL must be one of info, warn, error, silent, got "loud"');
  });

  it("says that it is not ready before it closes, and serves on meanwhile", async () => {
    const upstream = new HeldUpstream();
    const config = { routes: [{ name: "held", pathPrefix: "/held", upstream: await upstream.listen() }] };
    try {
      const settings = { HEADGATE_CONFIG: configFile(JSON.stringify(config)), READINESS_GRACE_MS: "5000" };
      const { child, said, ended } = start(settings);
      const url = await eventually(() => urlOf(said.out));
      child.kill("SIGTERM");
      await eventually(async () => ((await send(`${url}/readyz`)).status === 503 ? true : undefined));
      const late = send(`${url}/held/late`);
      (await upstream.take("/late")).end("served");
      const { status, headers } = await late;
      expect(status).toBe(200);
      expect(headers).toContainEqual(["connection", "close"]);
      expect(await ended).toBe(0);
    } finally {
      await upstream.close();
    }
  });

  it.each(["SIGTERM", "SIGINT"] as const)("finishes the running request on %s, and takes no other", async (signal) => {
    const upstream = new HeldUpstream();
    const config = { routes: [{ name: "held", pathPrefix: "/held", upstream: await upstream.listen() }] };
    try {
      const { child, said, ended } = start({ HEADGATE_CONFIG: configFile(JSON.stringify(config)) });
      const url = await eventually(() => urlOf(said.out));
      const running = send(`${url}/held/running`);
      const response = await upstream.take("/running");
      child.kill(signal);
      await eventually(() =>
        send(`${url}/livez`).then(
          () => undefined,
          () => true,
        ),
      );
      response.end("finished");
      expect(Buffer.from((await running).body).toString()).toBe("finished");
      expect(await ended).toBe(0);
    } finally {
      await upstream.close();
    }
  });

  it("stops at once on a second signal", async () => {
    const upstream = new HeldUpstream();
    const config = { routes: [{ name: "held", pathPrefix: "/held", upstream: await upstream.listen() }] };
    try {
      const { child, said, ended } = start({ HEADGATE_CONFIG: configFile(JSON.stringify(config)) });
      const url = await eventually(() => urlOf(said.out));
      const running = send(`${url}/held/running`).catch((error: Error) => error);
      await upstream.take("/running");
      child.kill("SIGTERM");
      await eventually(() =>
        send(`${url}/livez`).then(
          () => undefined,
          () => true,
        ),
      );
      child.kill("SIGTERM");
      expect(await ended).toBe(1);
      expect(await running).toBeInstanceOf(Error);
    } finally {
      await upstream.close();
    }
  });
});
