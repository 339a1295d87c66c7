import { HeadgateError } from "@headgate/core";

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: "something is listening there already",
  EACCES: "this process is not allowed to",
  EADDRNOTAVAIL: "this machine has no such address",
  ENOTFOUND: "no such host is known",
};

/** A server could not listen. `cause` is the system's error, `reason` its code: `"EADDRINUSE"`, `"EACCES"`, … */
export class ListenError extends HeadgateError {
  readonly hostname: string;
  readonly port: number;
  readonly reason: string;
  override readonly cause: unknown;

  constructor(hostname: string, port: number, cause: NodeJS.ErrnoException) {
    super("ERR_LISTEN");
    this.hostname = hostname;
    this.port = port;
    this.reason = cause.code ?? cause.name;
    this.cause = cause;
  }

  override get name(): string {
    return "ListenError";
  }

  override get message(): string {
    const said = Object.hasOwn(reasons, this.reason) ? reasons[this.reason] : (this.cause as Error).message;
    return `Cannot listen on port ${this.port} of ${this.hostname}: ${said} (${this.reason})`;
  }
}
