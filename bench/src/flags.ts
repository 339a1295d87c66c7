// The flags of a benchmark: `npm run bench -- --quick --write`.
import { parseArgs } from "node:util";

/** Which of these were given. */
export function flags<Name extends string>(...names: readonly Name[]): Readonly<Record<Name, boolean>> {
  const args = process.argv.slice(2).filter((argument) => argument !== "--");
  const options = Object.fromEntries(names.map((name) => [name, { type: "boolean", default: false } as const]));
  return parseArgs({ args, options }).values as Record<Name, boolean>;
}
