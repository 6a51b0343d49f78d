// Owns finding a TCP port that nobody listens on. Between the answer and its use another program may take the port,
// so a caller tries again when it was too late.
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';

/**
 * Below the range the system takes ports for outgoing connections from (32768 up on Linux, 49152 up elsewhere). A port in
 * that range can be lost to a client while a server restarts, and a client that dials it then may even meet itself.
 */
const lowest = 15_000;
const highest = 32_000;

export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (;;) {
    const port = randomInt(lowest, highest);
    if (await isFree(host, port)) return port;
  }
}

/** Whether a program could listen there now. */
export async function isFree(host: string, port: number): Promise<boolean> {
  const server = net.createServer();
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  }
  server.close();
  await once(server, 'close');
  return true;
}
