// One listener per caller's signal however many calls are in flight on it: adding and removing a listener per call
// is linear in the listeners already there, and AbortSignal.any retains memory on long-lived signals.
// The calls stand in an intrusive list, so joining and leaving cost the same for the first and the millionth.
import type { Call } from "./call.ts";

const linkKey: unique symbol = Symbol("headgate.link");
type Linked = AbortSignal & { [linkKey]?: LinkList };

/** One call's place in the list of its signal. */
export class Link {
  readonly #list: LinkList;
  readonly call: Call;
  previous: Link | null = null;
  next: Link | null = null;

  constructor(list: LinkList, call: Call) {
    this.#list = list;
    this.call = call;
  }

  remove(): void {
    const { previous, next } = this;
    if (previous === null) this.#list.head = next;
    else previous.next = next;
    if (next !== null) next.previous = previous;
  }
}

class LinkList {
  head: Link | null = null;

  constructor(signal: AbortSignal) {
    signal.addEventListener("abort", () => this.#abort(signal.reason), { once: true });
  }

  add(call: Call): Link {
    const link = new Link(this, call);
    const { head } = this;
    link.next = head;
    if (head !== null) head.previous = link;
    this.head = link;
    return link;
  }

  #abort(reason: unknown): void {
    for (let link = this.head; link !== null; link = this.head) {
      link.remove();
      link.call.link = null;
      link.call.cut(-1, "ignored", reason);
    }
  }
}

// A frozen signal cannot carry the property; a WeakMap can always, but costs twice as much for a signal per request.
const frozen = new WeakMap<AbortSignal, LinkList>();

/** The call will be cut with the signal's reason when it aborts; until `remove()` of what this returns. */
export function linkTo(signal: Linked, call: Call): Link {
  let list = signal[linkKey] ?? frozen.get(signal);
  if (list === undefined) {
    list = new LinkList(signal);
    if (Object.isExtensible(signal)) signal[linkKey] = list;
    else frozen.set(signal, list);
  }
  return list.add(call);
}
