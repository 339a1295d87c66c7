// What the tests' Workers use of the runtime's own module: the platform's types would be in the way of those of the web.
declare module "cloudflare:workers" {
  export function waitUntil(work: Promise<unknown>): void;
}
