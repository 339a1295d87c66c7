// Writes the dashboard into deploy/observability: `npm run generate`.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { path, text } from "./committed.ts";

mkdirSync(dirname(path), { recursive: true });
writeFileSync(path, text());
