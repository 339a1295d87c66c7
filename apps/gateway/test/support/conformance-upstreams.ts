// Entries of the conformance table about routes with several upstreams.
import type { Entry } from "./conformance-entry.ts";
import { send, type Sent } from "./http-client.ts";

/** The statuses of so many requests, one after the other. */
async function statuses(times: number, url: string, sent?: Sent): Promise<number[]> {
  const seen: number[] = [];
  for (let i = 0; i < times; i++) seen.push((await send(url, sent)).status);
  return seen;
}

export const upstreams: readonly Entry[] = [
  {
    name: "requests are spread over the upstreams, each with a path of its own",
    // One answers with the status, the other with so many bytes.
    act: async ({ url }) => [...new Set(await statuses(40, `${url}/spread/204`))].sort((a, b) => a - b),
    expect: [200, 204],
  },
  {
    name: "a request that may be repeated goes to another upstream when the first is down",
    act: ({ url }) => statuses(10, `${url}/half-down/200`),
    expect: Array(10).fill(200),
  },
  {
    name: "an upstream that is down is out of use after some failures, for requests that are sent once too",
    act: async ({ url }) => {
      const post = { method: "POST", body: "x" };
      // Where it is slower to refuse than the other is to answer it is seldom chosen: for as long as it takes.
      let failed = 0;
      const untilMs = performance.now() + 20_000;
      while (failed < 2 && performance.now() < untilMs) {
        const [status] = await statuses(1, `${url}/ejecting/hash`, post);
        if (status === 502) failed++;
      }
      return [failed, await statuses(20, `${url}/ejecting/hash`, post)];
    },
    expect: [2, Array(20).fill(200)],
  },
];
