// A port that nobody listens at, and that nobody can be given meanwhile: it is that of a client's end of a connection.
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";

export interface ClosedPort {
  readonly port: number;
  /** Gives it back. */
  close(): Promise<void>;
}

export async function closedPort(): Promise<ClosedPort> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  await once(client, "connect");
  return {
    port: client.localPort as number,
    async close() {
      const closed = once(server, "close");
      server.close();
      client.destroy();
      await closed;
    },
  };
}
