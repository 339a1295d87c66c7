import type { HeadgateEvent, Observer } from "../observer.ts";

/** An observer that keeps what it is told: `pipeline({ name, observer: recorder.observer }, …)`. */
export class EventRecorder {
  readonly events: HeadgateEvent[] = [];
  readonly observer: Observer = (event) => {
    this.events.push(event);
  };

  /** The types of the events so far, in order. */
  get types(): HeadgateEvent["type"][] {
    return this.events.map((event) => event.type);
  }

  of<Type extends HeadgateEvent["type"]>(type: Type): Extract<HeadgateEvent, { type: Type }>[] {
    return this.events.filter((event): event is Extract<HeadgateEvent, { type: Type }> => event.type === type);
  }
}
