import { build } from "esbuild"; import {writeFileSync} from "node:fs"; import { gzipSync } from "node:zlib";
const r = await build({ stdin:{contents:`export {${process.argv[2]}} from "@headgate/core"`,resolveDir:"/tmp/wt/core/packages/hono"}, bundle:true, minify:true, format:"esm", platform:"neutral", write:false, target:"es2023" });
writeFileSync("/tmp/min.js", r.outputFiles[0].text); console.log(r.outputFiles[0].text.length, gzipSync(r.outputFiles[0].text,{level:9}).length);
