// How a value becomes text and comes back, for stores outside the isolate.
import { checkFunction } from "@headgate/core/options";

export interface ValueTextOptions {
  /** Writes a value as text. What it throws makes the value one that is not stored. @default as JSON */
  readonly serialize?: (value: unknown) => string;
  /** Reads what `serialize` has written. What it throws makes a miss. @default JSON.parse */
  readonly deserialize?: (text: string) => unknown;
}

export function valueText(place: string, options: ValueTextOptions): Required<ValueTextOptions> {
  const { serialize = toJson, deserialize = JSON.parse } = options;
  checkFunction(`${place}.serialize`, serialize);
  checkFunction(`${place}.deserialize`, deserialize);
  return { serialize, deserialize };
}

function toJson(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new TypeError(`JSON has no ${typeof value}`);
  return text;
}
