import type { Respond } from "../proxy.ts";
import type { HeaderList } from "../upstream.ts";

/**
 * A plain record goes to the socket as it is, without a `Headers` in between; a list of values stands for a repeated
 * field, which `node:http` sends as repeated lines.
 */
export const respond: Respond = (status, headers, body, method) =>
  new Response(body as BodyInit | null, {
    status,
    // Hono makes a HEAD response anew from this one, and for that reads its fields.
    headers: method === "HEAD" ? toHeaders(headers) : (toRecord(headers) as Record<string, string>),
  });

function toRecord(list: HeaderList): Record<string, string | string[]> {
  const record: Record<string, string | string[]> = {};
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i] as string;
    const value = list[i + 1] as string;
    if (name === "__proto__") continue;
    const before = record[name];
    if (before === undefined) record[name] = value;
    else if (typeof before === "string") record[name] = [before, value];
    else before.push(value);
  }
  return record;
}

function toHeaders(list: HeaderList): Headers {
  const headers = new Headers();
  for (let i = 0; i < list.length; i += 2) headers.append(list[i] as string, list[i + 1] as string);
  return headers;
}
