import { HeadgateError } from "@headgate/core";

/**
 * The process is stopping. The reason of the signals that a shutdown aborts, and the error of work that it refuses. It
 * says nothing about a dependency.
 */
export class ShutdownError extends HeadgateError {
  /** What began the shutdown: `"SIGTERM"`, or what `start` was given. */
  readonly trigger: string;

  constructor(trigger: string) {
    super("ERR_SHUTDOWN");
    this.trigger = trigger;
  }

  override get name(): string {
    return "ShutdownError";
  }

  override get refusal(): boolean {
    return true;
  }

  override get message(): string {
    return `The process is stopping (${this.trigger})`;
  }
}
