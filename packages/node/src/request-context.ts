import type { AmbientContext } from "./context.ts";

/**
 * The context of a request that a server answers. Its signal follows the request's own, which aborts when the client has
 * gone, and aborts when a shutdown has waited as long as it may. It is made when somebody asks for it: most handlers
 * never do.
 */
export class RequestContext implements AmbientContext {
  readonly #request: Request;
  #controller: AbortController | null = null;
  #aborted = false;
  #reason: unknown = undefined;

  constructor(request: Request) {
    this.#request = request;
  }

  get signal(): AbortSignal {
    return (this.#controller ??= this.#follow()).signal;
  }

  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }

  #follow(): AbortController {
    const controller = new AbortController();
    if (this.#aborted) {
      controller.abort(this.#reason);
      return controller;
    }
    // Both live as long as the request, so the listener needs no removal.
    const { signal } = this.#request;
    if (signal.aborted) controller.abort(signal.reason);
    else signal.addEventListener("abort", () => controller.abort(signal.reason), { once: true });
    return controller;
  }
}
