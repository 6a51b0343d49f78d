// Owns the socket under a session: TCP or Unix, TLS, keepalive, and the cancel request.
// postgres.js gets it ready made, so that no code but this ever opens a connection.
import net from 'node:net';
import tls from 'node:tls';
import { describeAddress, type PostgresAddress } from './address.ts';
import { ConnectionLostError } from './errors.ts';

/** Idle time before the first probe. With the kernel's 1 s between 10 probes (libuv's choice) a dead peer shows in 20 s. */
const keepAliveDelayMs = 10_000;

const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/** A connected, encrypted if asked, silent socket. @throws ConnectionLostError (connect), within `timeoutMs` */
export async function connectTransport(address: PostgresAddress, timeoutMs: number): Promise<net.Socket> {
  const socket = address.host.startsWith('/')
    ? net.connect({ path: `${address.host}/.s.PGSQL.${address.port}` })
    : net.connect({ host: address.host, port: address.port, noDelay: true });
  if (!address.host.startsWith('/')) socket.setKeepAlive(true, keepAliveDelayMs);
  socket.on('error', () => {}); // whoever waits hears of it below; without a listener it would end the process
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<net.Socket>((resolve, reject) => {
      timer = setTimeout(() => reject(lost(address, `no connection within ${timeoutMs} ms`)), timeoutMs);
      socket.once('error', (cause) => reject(lost(address, cause.message, cause)));
      socket.once('close', () => reject(lost(address, 'the server closed the connection')));
      socket.once('connect', () => {
        if ((address.tls ?? 'disable') === 'disable') resolve(socket);
        else encrypt(socket, address).then(resolve, reject);
      });
    });
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Asks the server to stop what the backend is doing. Resolves when the request was taken or could not be delivered:
 * it has no answer, and may arrive late, which is why a session is never used again after it (CASES.md, D17).
 */
export async function sendCancelRequest(
  address: PostgresAddress,
  backend: { pid: number; secret: number },
  timeoutMs: number,
): Promise<void> {
  const message = Buffer.alloc(16);
  message.writeUInt32BE(16, 0);
  message.writeUInt32BE(80877102, 4);
  message.writeUInt32BE(backend.pid >>> 0, 8);
  message.writeUInt32BE(backend.secret >>> 0, 12);
  const startedMs = performance.now();
  try {
    const socket = await connectTransport(address, timeoutMs);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => socket.destroy(), Math.max(1, timeoutMs - (performance.now() - startedMs)));
      socket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      socket.resume();
      // Not closed from here: PgBouncer forgets the request of a client that has left. The server closes.
      socket.write(message);
    });
  } catch {
    // The server cannot be reached: the statement's own connection will fail as well.
  }
}

async function encrypt(plain: net.Socket, address: PostgresAddress): Promise<tls.TLSSocket> {
  const answer = await new Promise<Buffer>((resolve) => {
    plain.once('data', resolve);
    plain.write(sslRequest);
  });
  plain.pause();
  // One byte and not more: bytes behind it were sent by somebody in the middle before encryption began (CVE-2021-23222).
  if (answer.length !== 1 || answer[0] !== 0x53) throw lost(address, 'the server does not offer TLS');
  const encrypted = tls.connect({
    socket: plain,
    ...(net.isIP(address.host) === 0 && { servername: address.host }),
    ...(address.ca !== undefined && { ca: address.ca }),
    host: address.host,
    rejectUnauthorized: address.tls === 'verify-full',
  });
  return new Promise((resolve, reject) => {
    encrypted.on('error', (cause) => reject(lost(address, cause.message, cause)));
    encrypted.once('secureConnect', () => resolve(encrypted));
  });
}

function lost(address: PostgresAddress, why: string, cause?: unknown): ConnectionLostError {
  return new ConnectionLostError('connect', `cannot connect to ${describeAddress(address)}: ${why}`, { cause });
}
