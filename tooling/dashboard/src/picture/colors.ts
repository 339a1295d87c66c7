// The colours that Grafana would take.
import { ink } from "@headgate/charts";

const named: Readonly<Record<string, string>> = {
  green: "#3e9c46",
  red: "#d83b4d",
  orange: "#f08a24",
  yellow: "#e3b505",
  blue: "#3274d9",
  purple: "#8f5fd0",
};

/** For series that have no colour of their own. */
const palette = ["#3e9c46", "#e3b505", "#3274d9", "#f08a24", "#d83b4d", "#8f5fd0", "#2aa5a0", "#b0569c", "#8a7a4a"];

export function colorOf(name: string): string {
  return named[name] ?? name;
}

export function paletteColor(at: number): string {
  return palette[at % palette.length] ?? ink.text;
}
