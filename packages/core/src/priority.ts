// Who goes first and who is shed first, as one number: five classes around 0, and levels inside each. Calls that say nothing
// have the priority 0 and so belong to the class in the middle; small numbers that a program made up for itself order its
// calls inside that class.
//
// Source of the classes: criticality in "Handling Overload" of Google's "Site Reliability Engineering", with one in the
// middle for everything that has no word of its own. Source of the levels: DAGOR ("Overload Control for Scaling WeChat
// Microservices", 2018), which orders users inside a business.
import { checkInteger, checkOneOf } from "./options.ts";

/**
 * What a call matters, most first. `critical-plus`: what must not fail before everything else has; `critical`: somebody waits
 * for it and it earns the money; `normal`: somebody waits for it; `sheddable-plus`: can come later; `sheddable`: can be missed.
 */
export type PriorityClass = "critical-plus" | "critical" | "normal" | "sheddable-plus" | "sheddable";

/** The lowest class first. */
export const priorityClasses: readonly PriorityClass[] = [
  "sheddable",
  "sheddable-plus",
  "normal",
  "critical",
  "critical-plus",
];

/** Levels 1 to 127 of a class; its level 0 stands for none. */
export const levelsPerClass = 128;

/** Where the class in the middle stands among all. */
const normalAt = 2;

const lowest = -normalAt * levelsPerClass;
const highest = (priorityClasses.length - normalAt) * levelsPerClass - 1;

/** How many ranks there are: levels of all classes, one above the other. */
export const ranks: number = priorityClasses.length * levelsPerClass;

/**
 * The number for `priority` of a call: -256 to 383, the higher goes first.
 *
 * @param level 1 to 127, the higher goes first and is shed last: that of a user, say, by `priorityLevelOf`. 0 for none: then
 * `loadShed` draws one. @default 0
 * @throws {InvalidOptionError} for what is no class or no level.
 */
export function toPriority(priorityClass: PriorityClass, level = 0): number {
  checkOneOf("toPriority.priorityClass", priorityClass, priorityClasses);
  checkInteger("toPriority.level", level, 0, levelsPerClass - 1);
  return lowest + priorityClasses.indexOf(priorityClass) * levelsPerClass + level;
}

/** The priority's place among all ranks, the lowest first. Numbers beyond the classes belong to the outermost ones. */
export function toRank(priority: number): number {
  return Math.floor(Math.min(highest, Math.max(lowest, priority))) - lowest;
}

/** The class of a rank. */
export function classOfRank(rank: number): PriorityClass {
  return priorityClasses[Math.floor(rank / levelsPerClass)] as PriorityClass;
}

/** The class of a priority. Numbers beyond the classes belong to the outermost ones. */
export function priorityClassOf(priority: number): PriorityClass {
  return classOfRank(toRank(priority));
}

/**
 * The same level one class lower, the lowest class excepted: for a retry or a hedge, which must not take the place of
 * somebody's first attempt.
 */
export function lowerPriority(priority = 0): number {
  const rank = toRank(priority);
  return (rank < levelsPerClass ? rank : rank - levelsPerClass) + lowest;
}

/**
 * A level for a user, a session or whatever else should be let in or shed as a whole: 1 to 127, always the same for the same
 * text. Put the hour into the text, so that they are not the same users for ever.
 */
export function priorityLevelOf(text: string): number {
  // FNV-1a, with the last step of MurmurHash3 because its low bits are uneven. Both are in the public domain.
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return 1 + (((hash ^ (hash >>> 16)) >>> 0) % (levelsPerClass - 1));
}
