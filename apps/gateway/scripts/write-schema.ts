// Writes `headgate.schema.json`, the JSON Schema of the configuration file, from the schema in the code.
import { writeFileSync } from "node:fs";
import { configSchema } from "../src/config.ts";

writeFileSync(new URL("../headgate.schema.json", import.meta.url), `${JSON.stringify(configSchema(), null, 2)}\n`);
