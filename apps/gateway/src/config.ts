// The gateway's configuration: one JSON file, its shape in one schema. `headgate.schema.json` is generated from here.
import { z } from "zod";

const maxDelayMs = 2_147_483_647;
const methods = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"] as const;

/** From the one that says most to the one that says nothing. */
export const logLevels = ["info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

const durationMs = z.number().gt(0).lte(maxDelayMs);

const timeout = z.strictObject({
  timeoutMs: durationMs
    .default(5000)
    .describe("How long a request may take until the upstream's response headers, queueing and retries included."),
});

const retry = z.strictObject({
  maxAttempts: z.int().min(1).max(10).default(4).describe("Attempts in all, the first included. 1 turns retries off."),
  initialMs: z
    .number()
    .min(0)
    .lte(maxDelayMs)
    .default(100)
    .describe("The back-off before the first retry, before jitter; it doubles."),
  maxMs: durationMs.default(10_000).describe("No back-off is longer."),
  maxBodyBytes: z
    .int()
    .min(0)
    .max(1_048_576)
    .default(65_536)
    .describe("A request with a longer body, or one of unknown length, is sent once, as a stream."),
  budget: z
    .boolean()
    .default(true)
    .describe(
      "Whether retries are bounded: to 20 % of the requests of the last 10 s and 10 a second, and to 20 % of those under way and 3.",
    ),
});

const circuitBreaker = z.strictObject({
  maxFailures: z
    .int()
    .min(1)
    .default(5)
    .describe(
      "Failures in a row that open the circuit: no response, a timeout or 5xx, but no 503 that says when to come back.",
    ),
  openMs: durationMs.default(30_000).describe("How long the circuit stays open before a probe is let through."),
});

const concurrencyLimit = z.strictObject({
  maxConcurrent: z
    .int()
    .min(1)
    .default(200)
    .describe("Requests at the upstream at once, until their bodies have ended."),
  maxQueue: z.int().min(0).default(200).describe("Requests that may wait for their turn."),
  maxWaitMs: durationMs.default(1000).describe("How long they may wait."),
});

const loadShed = z.strictObject({
  enabled: z
    .boolean()
    .default(false)
    .describe(
      "Whether requests are turned away while too many wait for the limit or, on Node, the event loop cannot keep up: those of the lowest class first.",
    ),
  trustPriority: z
    .boolean()
    .default(false)
    .describe("Whether the client's Priority (RFC 9218) is believed. Only behind a proxy that sets it itself."),
  tenantHeader: z
    .string()
    .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/)
    .optional()
    .describe(
      "The field that says whose request it is: what can be done is shared fairly among them. Only one that was verified before it comes here.",
    ),
});

const deadline = z.strictObject({
  trusted: z
    .boolean()
    .default(false)
    .describe(
      "Whether the client is believed how long it waits: X-Request-Timeout-Ms, grpc-timeout, x-envoy-expected-rq-timeout-ms. Only behind peers of one's own.",
    ),
  marginMs: z
    .number()
    .min(0)
    .lte(maxDelayMs)
    .default(10)
    .describe("What is kept back of the remaining time when the upstream is told it, for the way there and back."),
});

const loadBalance = z.strictObject({
  maxFailures: z
    .int()
    .min(1)
    .default(5)
    .describe("Failures in a row that take one of several upstreams out of use, counted as for the circuit."),
  ejectMs: durationMs
    .default(30_000)
    .describe("How long it stays out of use at first, until a request tries it again; longer each time that fails."),
  maxEjectedRatio: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe("The largest share of upstreams out of use at a time; one is always left. 0 takes none out of use."),
});

const upstreamUrl = z
  .url({ protocol: /^https?$/, hostname: /.+/ })
  .refine((url) => !/[?#]/.test(url) && !/\/\/[^/]*@/.test(url), {
    error: "a URL without query, fragment and credentials",
  });

const upstreamList = z
  .array(upstreamUrl)
  .min(1)
  .check(({ value, issues }) => {
    value.forEach((url, i) => {
      if (value.indexOf(url) < i) issues.push({ code: "custom", path: [i], message: "listed once", input: url });
    });
  });

const route = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/)
    .describe("Stands in problem documents and metrics. Lower-case letters, digits, '.', '_' and '-'."),
  pathPrefix: z
    .string()
    .regex(/^\/$|^(\/[A-Za-z0-9._~-]+)+$/)
    .describe(
      'Requests whose path begins with it take this route; the longest wins. It is removed from the path. "/" takes everything.',
    ),
  methods: z
    .array(z.enum(methods))
    .min(1)
    .default([...methods])
    .describe("Other methods are answered with 405."),
  upstream: z
    .union([upstreamUrl, upstreamList])
    .describe(
      "http:// or https:// URL, or a list of them over which requests are spread; its path is put before the rest of the request's.",
    ),
  trustForwarded: z
    .boolean()
    .default(false)
    .describe("Whether X-Forwarded-* of the client are kept and added to. Only behind a proxy that sets them itself."),
  baggage: z
    .array(z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/))
    .default([])
    .describe("Keys of W3C Baggage that go on to the upstream. What else clients put into it is left out."),
  serverTiming: z
    .boolean()
    .default(false)
    .describe("Whether responses say in Server-Timing how long the request waited and how long the upstream took."),
  timeout: timeout.prefault({}),
  deadline: deadline.prefault({}),
  retry: retry.prefault({}),
  circuitBreaker: circuitBreaker.prefault({}),
  concurrencyLimit: concurrencyLimit.prefault({}),
  loadShed: loadShed.prefault({}),
  loadBalance: loadBalance.prefault({}),
});

const config = z
  .strictObject({
    $schema: z.string().optional().describe("For editors."),
    logLevel: z
      .enum(logLevels)
      .default("info")
      .describe("What is logged: transitions, starts and stops; on Node LOG_LEVEL goes before."),
    routes: z.array(route).min(1),
  })
  .check(({ value, issues }) => {
    for (const key of ["name", "pathPrefix"] as const) {
      value.routes.forEach((one, i) => {
        if (value.routes.findIndex((other) => other[key] === one[key]) === i) return;
        issues.push({ code: "custom", path: ["routes", i, key], message: "used by one route only", input: one[key] });
      });
    }
  })
  .check(checkMargins);

/** A margin that leaves no time would refuse every request. */
function checkMargins({ value, issues }: z.core.ParsePayload<{ routes: readonly RouteConfig[] }>): void {
  value.routes.forEach(({ deadline: { marginMs }, timeout: { timeoutMs } }, i) => {
    if (marginMs < timeoutMs) return;
    const message = `less than timeout.timeoutMs (${timeoutMs})`;
    issues.push({ code: "custom", path: ["routes", i, "deadline", "marginMs"], message, input: marginMs });
  });
}

export type RouteConfig = z.output<typeof route>;
export type GatewayConfig = z.output<typeof config>;

/** The configuration cannot be used; the message names each place, what is allowed and what came. */
export class ConfigError extends Error {
  readonly code = "ERR_CONFIG";
  constructor(source: string, problems: readonly string[]) {
    super(`${source} is not a usable configuration:\n${problems.map((problem) => `  ${problem}`).join("\n")}`);
    this.name = "ConfigError";
  }
}

/**
 * Checks a parsed configuration and fills in the defaults.
 *
 * @param source what to call it in the error: a path.
 * @throws {ConfigError}
 */
export function parseConfig(value: unknown, source: string): GatewayConfig {
  const result = config.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  throw new ConfigError(source, result.error.issues.flatMap(describeIssue));
}

/** The JSON Schema of the configuration file, for editors and for review. */
export function configSchema(): Record<string, unknown> {
  return { title: "Headgate gateway configuration", ...z.toJSONSchema(config, { io: "input" }) };
}

function describeIssue(issue: z.core.$ZodIssue): string[] {
  const place = issue.path.reduce<string>(
    (path, key) => (typeof key === "number" ? `${path}[${key}]` : path === "" ? String(key) : `${path}.${String(key)}`),
    "",
  );
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => `${place === "" ? key : `${place}.${key}`} is not a known setting`);
  }
  // Of what may be one thing or a list, what is wrong with the one that came.
  if (issue.code === "invalid_union") {
    const [one = [], list = []] = issue.errors;
    const told = Array.isArray(issue.input) ? list : one;
    return told.flatMap((inner) => describeIssue({ ...inner, path: [...issue.path, ...inner.path] }));
  }
  return [`${place === "" ? "(the whole file)" : place} must be ${allowed(issue)}, got ${show(issue.input)}`];
}

function allowed(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return issue.expected === "int" ? "an integer" : `of type ${issue.expected}`;
    case "too_small":
      if (issue.origin === "array") return "a list that is not empty";
      return `${issue.inclusive ? "at least" : "more than"} ${issue.minimum}`;
    case "too_big":
      return `${issue.inclusive ? "at most" : "less than"} ${issue.maximum}`;
    case "invalid_value":
      return `one of ${issue.values.map((value) => JSON.stringify(value)).join(", ")}`;
    case "invalid_format":
      return issue.format === "url" ? "an http:// or https:// URL" : `a string like ${issue.pattern ?? issue.format}`;
    default:
      return issue.message;
  }
}

function show(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
