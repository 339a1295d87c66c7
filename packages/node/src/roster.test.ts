import { SeededRandom } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { Roster, type Seat } from "./roster.ts";

describe("Roster", () => {
  it("has those who joined and have not left, in whatever order they leave", () => {
    const random = new SeededRandom(7);
    const roster = new Roster<number>();
    const here: Seat<number>[] = [];
    for (let value = 0; value < 1000; value++) {
      if (random.next() < 0.52) here.push(roster.join(value));
      else for (const seat of here.splice(Math.floor(random.next() * here.length), 1)) roster.leave(seat);
      expect(roster.size).toBe(here.length);
      expect(roster.values().toSorted((a, b) => a - b)).toEqual(here.map((seat) => seat.value));
    }
    expect(roster.size).toBeGreaterThan(0);
  });

  it("lets nobody go for a place that has been given back already", () => {
    const roster = new Roster<string>();
    const first = roster.join("first");
    roster.leave(first);
    roster.join("second");
    roster.leave(first);
    expect(roster.values()).toEqual(["second"]);
  });
});
