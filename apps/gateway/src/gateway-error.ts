// Errors of the gateway itself beside those of the policies, and how each is answered.
import type { ProblemKind } from "@headgate/hono";

type GatewayErrorCode =
  | "ERR_UPSTREAM_UNREACHABLE"
  | "ERR_NO_ROUTE"
  | "ERR_METHOD_NOT_ALLOWED"
  | "ERR_REQUEST_TIMEOUT"
  | "ERR_BODY_LENGTH";

export const gatewayProblems: Readonly<Record<GatewayErrorCode, ProblemKind>> = {
  ERR_UPSTREAM_UNREACHABLE: {
    status: 502,
    title: "Upstream unreachable",
    detail: () => "The upstream gave no response.",
  },
  ERR_NO_ROUTE: { status: 404, title: "No route", detail: (error) => error.message },
  ERR_METHOD_NOT_ALLOWED: { status: 405, title: "Method not allowed", detail: (error) => error.message },
  ERR_REQUEST_TIMEOUT: { status: 408, title: "Request body too slow", detail: (error) => error.message },
  ERR_BODY_LENGTH: { status: 400, title: "Request body cut short", detail: (error) => error.message },
};

export class GatewayError extends Error {
  readonly code: GatewayErrorCode;
  constructor(code: GatewayErrorCode, message: string) {
    super(message);
    this.name = "GatewayError";
    this.code = code;
  }
}
