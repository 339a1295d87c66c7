// Connections that hold a server up, in a process of their own: `node slow-clients.mjs <port> <silent> <heads> <bodies>`.
// Some never send a byte, some send a request's head byte by byte, some its body. Says "connected" once all are, and "closed"
// once all were closed again. Ends with its input, and by itself after a minute.
import { connect } from "node:net";

const [port, silent, heads, bodies] = process.argv.slice(2).map(Number);
/** Each sends a byte a second; not all of them at once. */
const EVERY_MS = 1000;
const STEP_MS = 10;
const HEAD = `GET /demo/echo HTTP/1.1\r\nhost: slow\r\nx-padding: ${"p".repeat(200)}\r\n\r\n`;
const BODY = "POST /demo/hash HTTP/1.1\r\nhost: slow\r\ncontent-length: 100000\r\n\r\n";
setTimeout(() => process.exit(0), 60_000).unref();

const all = silent + heads + bodies;
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
      if (closed === all) console.log("closed");
      resolve(socket);
    });
  });
}

async function openMany(count, begin) {
  for (let i = 0; i < count; i += 100) {
    const sockets = await Promise.all(Array.from({ length: Math.min(100, count - i) }, open));
    for (const socket of sockets) begin(socket);
  }
}

await openMany(silent, () => {});
await openMany(heads, (socket) => dripping.push({ socket, text: HEAD, at: 0 }));
await openMany(bodies, (socket) => {
  socket.write(BODY);
  dripping.push({ socket, text: "b".repeat(100), at: 0 });
});
let next = 0;
setInterval(() => {
  for (let left = Math.ceil((dripping.length * STEP_MS) / EVERY_MS); left > 0; left--) {
    const drip = dripping[next++ % dripping.length];
    if (!drip.socket.destroyed) drip.socket.write(drip.text[drip.at++ % drip.text.length]);
  }
}, STEP_MS);
console.log("connected");
process.stdin.resume().on("end", () => process.exit(0));
