import type { OperationContext } from "@headgate/core";
import { TimeoutError } from "@headgate/core";
import { describe, expect, it } from "vitest";
import { parseConfig } from "../src/config.ts";
import { clientLeavesMs, toldFields, withRemaining } from "../src/deadline.ts";
import { createRoute } from "../src/route.ts";

const routeWith = (deadline: object) => {
  const route = { name: "orders", pathPrefix: "/", upstream: "http://127.0.0.1:1", deadline };
  return createRoute(parseConfig({ routes: [route] }, "gateway.json").routes[0]!, {});
};
const contextWith = (remainingMs: number) => ({ remainingMs }) as OperationContext;

describe("clientLeavesMs", () => {
  it("believes trusted clients only", () => {
    const sent = ["X-Request-Timeout-Ms", "500", "Grpc-Timeout", "250m"];
    expect(clientLeavesMs(sent, routeWith({ trusted: true }))).toBe(250);
    expect(clientLeavesMs(sent, routeWith({}))).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("withRemaining", () => {
  const route = routeWith({ marginMs: 20 });
  const told = toldFields(["GRPC-Timeout", "1S"]);

  it("adds what is left less the margin, in every field, to a list of its own", () => {
    const headers = ["accept", "*/*"];
    expect(withRemaining(headers, told, route, contextWith(320.9))).toEqual([
      "accept",
      "*/*",
      "x-request-timeout-ms",
      "300",
      "grpc-timeout",
      "300m",
    ]);
    expect(headers).toHaveLength(2);
    expect(withRemaining([], toldFields([]), route, contextWith(20.5))).toEqual(["x-request-timeout-ms", "1"]);
  });

  it("refuses to send what leaves no more than the margin", () => {
    const refused = (): unknown => withRemaining([], told, route, contextWith(20));
    expect(refused).toThrow(TimeoutError);
    expect(refused).toThrow(expect.objectContaining({ scope: "deadline", timeoutMs: 20, pipeline: "orders" }));
  });
});
