// The Worker of the workerd benchmark: `/<case>/<count>` makes so many calls, one after another. It is timed from outside,
// because a Worker's own clock may stand still while it computes.
import { pipeline } from "@headgate/core";
import { fourPolicies } from "../four-policies.ts";
import { cockatielPolicy } from "./cockatiel.ts";

const succeed = async () => 1;

const headgate = pipeline("benchmark", ...fourPolicies());

// In a request: module scope allows it no timer.
let cockatiel: ReturnType<typeof cockatielPolicy> | undefined;

const cases: Readonly<Record<string, () => Promise<unknown>>> = {
  bare: succeed,
  headgate: () => headgate.execute(succeed),
  cockatiel: () => (cockatiel ??= cockatielPolicy()).execute(succeed),
};

export default {
  async fetch(request: Request): Promise<Response> {
    const [, name = "", count = ""] = new URL(request.url).pathname.split("/");
    const call = cases[name];
    if (call === undefined) return new Response(`no case is called ${name}`, { status: 404 });
    for (let left = Number(count); left > 0; left--) await call();
    return new Response("done");
  },
};
