import type { Respond } from "../proxy.ts";

interface WorkersResponseInit extends ResponseInit {
  /** `manual`: the body is encoded already, as its `content-encoding` says. */
  readonly encodeBody?: "automatic" | "manual";
}

export const respond: Respond = (status, list, body) => {
  const headers = new Headers();
  for (let i = 0; i < list.length; i += 2) headers.append(list[i] as string, list[i + 1] as string);
  const init: WorkersResponseInit = { status, headers, encodeBody: "manual" };
  return new Response(body as BodyInit | null, init);
};
