// Real processes behind one port.
import { Agent } from "node:http";
import { runCluster } from "@headgate/node";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { eventually, until } from "./support/eventually.ts";
import { endFixtures, type Fixture, startFixture } from "./support/fixture.ts";
import { get } from "./support/http-client.ts";

interface Line {
  readonly type?: string;
  readonly url?: string;
  readonly pid?: number;
  readonly pids?: number[];
  readonly [more: string]: unknown;
}

interface Cluster extends Fixture {
  readonly url: string;
  readonly pids: number[];
  readonly events: (type: string) => Line[];
}

const linesOf = (fixture: Fixture) => fixture.lines().map((line) => JSON.parse(line) as Line);

async function started(environment: Readonly<Record<string, string>> = {}): Promise<Cluster> {
  const fixture = startFixture("cluster", [], environment);
  const { pids } = await eventually(() => linesOf(fixture).find((line) => line.pids));
  const url = linesOf(fixture).find((line) => line.url)?.url ?? "";
  return { ...fixture, url, pids: pids ?? [], events: (type) => linesOf(fixture).filter((line) => line.type === type) };
}

/** Which processes have answered, of some requests on connections of their own. */
async function answering(url: string): Promise<Set<number>> {
  const answers = await Promise.all(Array.from({ length: 8 }, () => get(url)));
  return new Set(answers.map(({ body }) => Number(body)));
}

async function metricsOf(url: string): Promise<Record<string, number>> {
  const metrics = JSON.parse((await get(`${url}/metrics`)).body) as { name: string; points: { value: number }[] }[];
  return Object.fromEntries(metrics.map(({ name, points }) => [name, points[0]?.value ?? 0]));
}

describe("runCluster", () => {
  describe("with two workers", () => {
    let cluster: Cluster;

    beforeAll(async () => {
      cluster = await started({ WORKERS: "2" });
    });
    afterAll(endFixtures);

    it("answers from all of them on one port, with their metrics as those of one", async () => {
      expect(cluster.pids).toHaveLength(2);
      expect(await answering(cluster.url)).toEqual(new Set(cluster.pids));
      await answering(cluster.url);
      await expect.poll(() => metricsOf(cluster.url)).toEqual({ requests: 16, workers: 2 });
    });

    it("starts one again that has crashed, later each time, and keeps what it had counted", async () => {
      for (const crashes of [1, 2]) {
        await get(`${cluster.url}/crash`).catch(() => {});
        await until(() => cluster.events("cluster.worker-ready").length === 2 + crashes);
      }
      expect(cluster.events("cluster.worker-exited")).toEqual(
        [7, 7].map((code) => expect.objectContaining({ code, expected: false })),
      );
      await expect.poll(() => metricsOf(cluster.url)).toEqual({ requests: 16, workers: 2 });
      // Whether the second was the same worker again or the other one.
      for (const { crashes, delayMs } of cluster.events("cluster.worker-restarting")) {
        expect(delayMs).toBe(50 * 2 ** (Number(crashes) - 1));
      }
    });

    it("replaces them on SIGHUP without losing a request", async () => {
      const before = await answering(cluster.url);
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const reloaded = new AbortController();
      const statuses = new Set<number>();
      const send = async (through: Agent | false) => {
        let sent = 0;
        for (; !reloaded.signal.aborted; sent++) statuses.add((await get(cluster.url, through)).status);
        return sent;
      };
      const sending = Promise.all([send(agent), send(false)]);
      cluster.kill("SIGHUP");
      await until(() => cluster.events("cluster.reloaded").length === 1);
      reloaded.abort();
      const [kept, single] = await sending;
      expect([...statuses]).toEqual([200]);
      expect([kept > 0, single > 0]).toEqual([true, true]);
      const now = await answering(cluster.url);
      expect([now.size, [...now].filter((pid) => before.has(pid))]).toEqual([2, []]);
      expect(cluster.events("cluster.worker-exited").slice(2)).toEqual(
        [0, 0].map((code) => expect.objectContaining({ code, expected: true })),
      );
      // What the old ones had counted until their very end is there still.
      await expect.poll(async () => (await metricsOf(cluster.url))["requests"]).toBe(16 + kept + single + 16);
      agent.destroy();
    });

    it("stops them in order on SIGTERM, and ends with 0", async () => {
      cluster.kill("SIGTERM");
      expect(await cluster.ended).toBe(0);
      expect(cluster.events("cluster.worker-exited").slice(4)).toEqual(
        [0, 0].map((code) => expect.objectContaining({ code, expected: true })),
      );
      expect([cluster.errors(), cluster.events("cluster.worker-killed")]).toEqual(["", []]);
    });
  });

  describe("with one worker", () => {
    afterEach(endFixtures);

    it("kills it and ends with 1 on a second signal", async () => {
      const cluster = await started({ STUBBORN: "1" });
      get(`${cluster.url}/hang`).catch(() => {});
      await get(cluster.url);
      cluster.kill("SIGTERM");
      await until(() => cluster.events("stopping").length === 1);
      cluster.kill("SIGTERM");
      expect(await cluster.ended).toBe(1);
      await until(() => !cluster.pids.some(isAlive));
    });

    it("takes it along when the primary is killed", async () => {
      const cluster = await started();
      cluster.kill("SIGKILL");
      await until(() => !cluster.pids.some(isAlive));
    });

    it("does not start when it does not", async () => {
      const fixture = startFixture("cluster", [], { FAIL: "1" });
      expect(await fixture.ended).toBe(1);
      expect(linesOf(fixture)).toContainEqual({ failed: "no such thing is configured" });
    });
  });

  it.each([
    [{ workers: 0 }, "`runCluster.workers` must be an integer from 1 to 1024, got 0"],
    [{ restartMinMs: 0 }, "`runCluster.restartMinMs` must be a number from 1 to 2147483647, got 0"],
    [{ restartMaxMs: 10 }, "`runCluster.restartMaxMs` must be a number from 500 to 2147483647, got 10"],
  ])("refuses %o", async (options, message) => {
    await expect(runCluster({ start: () => ({ stop() {} }), ...options })).rejects.toThrow(message);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
