// The key of an idempotent request, and the refusals around it.
import { HeadgateError } from "@headgate/core";

const messages = {
  ERR_IDEMPOTENCY_KEY_MISSING: (header: string) => `This request needs the field ${header}`,
  ERR_IDEMPOTENCY_KEY_INVALID: (header: string) => `The field ${header} must hold 1 to 255 visible ASCII characters`,
  ERR_IDEMPOTENCY_KEY_REUSED: (header: string) => `The ${header} was used for another request before`,
  ERR_IDEMPOTENCY_IN_PROGRESS: (header: string) => `The first request with this ${header} is still being served`,
  ERR_IDEMPOTENCY_OUTCOME_LOST: (header: string) =>
    `The request with this ${header} was carried out; its response was too large to be kept`,
  ERR_IDEMPOTENCY_STORE: () => "The store of outcomes failed",
};

export type IdempotencyErrorCode = keyof typeof messages;

/** A request was refused over its idempotency key. */
export class IdempotencyError extends HeadgateError {
  private readonly header: string;
  override readonly cause: unknown;

  constructor(code: IdempotencyErrorCode, header: string, cause?: unknown) {
    super(code, "idempotency");
    this.header = header;
    this.cause = cause;
  }

  override get name(): string {
    return "IdempotencyError";
  }

  override get refusal(): boolean {
    return true;
  }

  override get message(): string {
    return messages[this.code as IdempotencyErrorCode](this.header);
  }
}

/** The key as a string of structured fields, as the draft has it, or bare, as most clients send it. */
export function parseKey(field: string): string | undefined {
  const quoted = /^"((?:[^"\\]|\\["\\])*)"$/.exec(field);
  const key = quoted?.[1]?.replaceAll(/\\(["\\])/g, "$1") ?? field;
  return /^[\x21-\x7e]{1,255}$/.test(key) ? key : undefined;
}
