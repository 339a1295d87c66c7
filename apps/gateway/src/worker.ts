// What `wrangler` deploys: the gateway with the configuration beside it.
import config from "../headgate.json" with { type: "json" };
import { createWorker, type GatewayWorker } from "./worker/create-worker.ts";

export { GatewayMetrics } from "./worker/gateway-metrics.ts";

const worker: GatewayWorker = createWorker(config);
export default worker;
