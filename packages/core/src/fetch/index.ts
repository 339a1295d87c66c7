export { deadlineFields, formatRemainingMs, parseRemainingMs } from "./deadline-fields.ts";
export type { FetchEndpoints } from "./endpoints.ts";
export type { ForwardDeadlineOptions } from "./forward-deadline.ts";
export { parseRetryAfter } from "./judge-response.ts";
export { formatPriority, priorityField, readPriority } from "./priority-header.ts";
export type { HeadersLike } from "./priority-header.ts";
export { resilientFetch } from "./resilient-fetch.ts";
export type {
  CallInit,
  FetchFunction,
  FetchSettings,
  ResilientFetch,
  ResilientFetchInit,
  ResilientFetchOptions,
} from "./resilient-fetch.ts";
export type { StandardFetchOptions } from "./standard-policies.ts";
