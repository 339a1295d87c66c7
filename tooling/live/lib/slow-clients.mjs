// Connections that hold a server up, in a process of their own: `node slow-clients.mjs <port> <count> <per second>`.
// Half of them never send a byte, one in a hundred sends a request's body byte by byte, the others its head. Says "connected" once
// all are, and "closed" once all were closed again. Ends with its input, and by itself after two minutes.
import { connect } from "node:net";
import { constants, setPriority } from "node:os";

const [port, count, perSecond] = process.argv.slice(2).map(Number);
/** Each sends a byte a second; not all of them at once. */
const EVERY_MS = 1000;
const STEP_MS = 2;
const HEAD = `GET /demo/echo HTTP/1.1\r\nhost: slow\r\nx-padding: ${"p".repeat(200)}\r\n\r\n`;
const BODY = "POST /demo/hash HTTP/1.1\r\nhost: slow\r\ncontent-length: 100000\r\n\r\n";
// On machines of their own they would take no time from the server.
setPriority(constants.priority.PRIORITY_LOW);
setTimeout(() => process.exit(0), 120_000).unref();

let closed = 0;
const dripping = [];

function open() {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(socket));
    socket.on("error", () => {});
    // What is not read is not seen to end.
    socket.resume();
    socket.on("close", () => {
      closed += 1;
      if (closed === count) console.log("closed");
      resolve(socket);
    });
  });
}

/** Every hundred are mixed alike. */
function begin(socket, i) {
  if (i % 2 === 0) return;
  const isBody = i % 100 === 99;
  if (isBody) socket.write(BODY);
  dripping.push({ socket, text: isBody ? "b".repeat(100) : HEAD, at: 0 });
}

let next = 0;
setInterval(() => {
  for (let left = Math.ceil((dripping.length * STEP_MS) / EVERY_MS); left > 0; left--) {
    const drip = dripping[next++ % dripping.length];
    if (!drip.socket.destroyed) drip.socket.write(drip.text[drip.at++ % drip.text.length]);
  }
}, STEP_MS);
process.stdin.resume().on("end", () => process.exit(0));

const startMs = performance.now();
const connecting = [];
for (let i = 0; i < count; i++) {
  const aheadMs = (i * 1000) / perSecond - (performance.now() - startMs);
  if (aheadMs > 0) await new Promise((resolve) => setTimeout(resolve, aheadMs));
  connecting.push(open().then((socket) => begin(socket, i)));
}
await Promise.all(connecting);
console.log("connected");
