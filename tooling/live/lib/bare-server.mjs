// A server of `node:http` and nothing else, to compare with: `node bare-server.mjs`. Says where it listens.
import { createServer } from "node:http";

const server = createServer((request, response) => {
  request.resume();
  response.end("hello");
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
