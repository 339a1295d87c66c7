export { EventRecorder } from "./event-recorder.ts";
export { SeededRandom } from "./seeded-random.ts";
export { TestClock } from "./test-clock.ts";
