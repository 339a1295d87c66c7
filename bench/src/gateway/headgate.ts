// Our gateway with its defaults: timeout, retry, circuit breaker, a limit of 200, metrics.
import { loadConfig, startGateway } from "@headgate/gateway/node";
import { announce } from "../child.ts";

const upstream = `http://127.0.0.1:${process.argv[2]}`;
const { routes, ...rest } = loadConfig(undefined);
const config = { ...rest, routes: routes.slice(0, 1).map((route) => ({ ...route, pathPrefix: "/", upstream })) };

const { url } = await startGateway({ config, port: 0 });
announce(Number(new URL(url).port));
