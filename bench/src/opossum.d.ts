// opossum ships no types; this is what the benchmark uses of it.
declare module "opossum" {
  interface Options {
    readonly timeout?: number | false;
    readonly capacity?: number;
    readonly errorThresholdPercentage?: number;
    readonly resetTimeout?: number;
    /** True for an error that is no failure. */
    readonly errorFilter?: (error: unknown) => boolean;
  }
  class CircuitBreaker {
    constructor(action: () => Promise<unknown>, options?: Options);
    fire(): Promise<unknown>;
    open(): void;
    shutdown(): void;
  }
  export = CircuitBreaker;
}
