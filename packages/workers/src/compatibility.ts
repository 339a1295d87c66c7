// Whether the runtime behaves as waiting across requests needs it. Workers tell their compatibility flags without any I/O, so
// that this may be asked at module scope, and a deployment that cannot work does not start.
import { HeadgateError } from "@headgate/core";

/** The first compatibility date on which a promise that another request resolves wakes the request that waits for it. */
export const minCompatibilityDate = "2024-10-14";

const flag = "handle_cross_request_promise_resolution";

/** The compatibility date is too early, or a flag turns off what waiting needs. */
export class CompatibilityError extends HeadgateError {
  constructor() {
    super("ERR_COMPATIBILITY");
    // As data: of what stops a deployment the runtime shows no accessor.
    const { name, message } = this;
    Object.defineProperties(this, { name: { value: name }, message: { value: message } });
  }

  override get name(): string {
    return "CompatibilityError";
  }

  override get message(): string {
    return (
      `Calls that wait for each other need the compatibility date ${minCompatibilityDate} or later ` +
      `without the flag "no_${flag}", or an earlier date with the flag "${flag}"`
    );
  }
}

/**
 * Call it at module scope. Passes where the runtime says nothing about its flags: it is no Workers runtime, or a very old one.
 *
 * @throws {CompatibilityError} which stops the deployment.
 */
export function assertCompatibility(): void {
  const { Cloudflare } = globalThis as {
    Cloudflare?: { compatibilityFlags?: Readonly<Record<string, boolean>> };
  };
  if (Cloudflare?.compatibilityFlags?.[flag] === false) throw new CompatibilityError();
}
