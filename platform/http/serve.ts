// Owns the listening socket. Promises that no connection can be held for nothing: every phase of it has a clock or a
// bound, with its reason below; and that close() lets what is in flight end, then cuts the rest.
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { edgeFault } from '../edge-faults.ts';
import type { Log } from '../log.ts';
import { problemHeaders, problemOf, problemType } from './problem.ts';

export type ServeDeps = {
  app: { fetch(request: Request, env: HttpBindings): Response | Promise<Response> };
  host: string;
  /** 0 lets the system choose. */
  port: number;
  log: Log;
  limits?: Partial<ServeLimits>;
};

export type ServeLimits = typeof serveLimits;

export interface Serving {
  readonly url: string;
  readonly port: number;
  /** Stops accepting, waits at most `graceMs` for requests in flight, then cuts every connection. */
  close(graceMs: number): Promise<void>;
}

export const serveLimits = {
  /** Headers arrive in one or two packets; who needs longer drips on purpose (slow loris). */
  headersTimeoutMs: 10_000,
  /** Headers and body: 1 MiB in 20 s is a slow mobile line. */
  requestTimeoutMs: 20_000,
  /** Longer than the 60 s for which NGINX keeps idle upstream connections, so that it never writes into one we close. */
  keepAliveTimeoutMs: 65_000,
  /** No byte moves in either direction: a client that stopped reading, a peer that is gone. Streams send a heartbeat more often. */
  idleSocketTimeoutMs: 120_000,
  /** How often the first two are looked at. */
  checkIntervalMs: 1_000,
  /** A token of 8 KiB and ordinary headers. */
  headerBytesMax: 16 * 1024,
  headersMax: 100,
  /** About 30 KiB each; a quarter of the usual 65,536 file descriptors. */
  connectionsMax: 16_384,
  /** A connection is renewed now and then, so that load spreads over new processes. */
  requestsPerSocketMax: 100_000,
};

export async function serve({ app, host, port, log, limits }: ServeDeps): Promise<Serving> {
  const bounds = { ...serveLimits, ...limits };
  const server = createServer(
    {
      headersTimeout: bounds.headersTimeoutMs,
      requestTimeout: bounds.requestTimeoutMs,
      keepAliveTimeout: bounds.keepAliveTimeoutMs,
      connectionsCheckingInterval: bounds.checkIntervalMs,
      maxHeaderSize: bounds.headerBytesMax,
      insecureHTTPParser: false,
      requireHostHeader: true,
      // A second Host or Authorization shows as a comma and is refused, instead of being dropped unseen.
      joinDuplicateHeaders: true,
      noDelay: true,
    },
    getRequestListener((request, env) => app.fetch(request, env as HttpBindings), { errorHandler: unreadable }),
  );
  server.maxHeadersCount = bounds.headersMax;
  server.maxConnections = bounds.connectionsMax;
  server.maxRequestsPerSocket = bounds.requestsPerSocketMax;
  server.setTimeout(bounds.idleSocketTimeoutMs);
  // Which answer a socket is busy with; needed only when the parser fails on what comes behind that request.
  const answers = new WeakMap<Socket, ServerResponse>();
  server.prependListener('request', (request, response) => answers.set(request.socket, response));
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) =>
    refuse(error, socket, answers.get(socket), log),
  );
  await listen(server, host, port);
  const chosenPort = (server.address() as AddressInfo).port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${chosenPort}`,
    port: chosenPort,
    close: (graceMs) => close(server, graceMs),
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const text = `Port ${port} on ${host} is already in use: stop the other program or configure another port.`;
      reject(cause.code === 'EADDRINUSE' ? edgeFault('port_in_use', text, { cause }) : cause);
    });
    server.listen(port, host, resolve);
  });
}

async function close(server: Server, graceMs: number): Promise<void> {
  if (!server.listening) return;
  server.prependListener('request', (_request, response) => response.setHeader('connection', 'close'));
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // A kept-alive connection becomes idle when its last answer is out; close() alone would wait for its timeout.
  const sweep = setInterval(() => server.closeIdleConnections(), 20);
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearInterval(sweep);
  clearTimeout(cut);
}

/** Requests that the parser took but that are no request: two hosts, a backslash in the path. */
function unreadable(error: unknown): Response {
  const fault = edgeFault('invalid_request', 'The request cannot be read; check the Host header and the path.', {
    cause: error,
  });
  return new Response(JSON.stringify(problemOf(fault, '')), { status: 400, headers: problemHeaders(fault) });
}

/**
 * What the parser refuses never becomes a request: answered on the bare socket, which is then closed. Garbage behind a
 * request that is still being answered only closes: an answer here would be taken for the answer to that request.
 */
function refuse(error: NodeJS.ErrnoException, socket: Socket, answering: ServerResponse | undefined, log: Log): void {
  log.debug({ reason: error.code }, 'connection refused by the parser');
  const busy =
    answering !== undefined && !answering.writableFinished && (answering.headersSent || answering.req.complete);
  if (error.code === 'ECONNRESET' || !socket.writable || busy) return void socket.destroy();
  const [status, reason, text] = parserAnswers[error.code ?? ''] ?? [
    400,
    'Bad Request',
    'The request is not well-formed HTTP/1.1.',
  ];
  const fault = edgeFault('invalid_request', text);
  const body = JSON.stringify({ ...problemOf(fault, ''), status });
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\nContent-Type: ${problemType}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
  socket.destroySoon();
}

const parserAnswers: Readonly<Record<string, readonly [number, string, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large', 'The headers are larger than this server accepts.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout', 'The request did not arrive in time.'],
};
