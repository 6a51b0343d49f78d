// Attacks on the HTTP edge with bare sockets, against a real server on a loopback port.
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { Hono } from 'hono';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bearerToken } from '../../platform/http/bearer.ts';
import { createEdge, type EdgeEnv } from '../../platform/http/edge.ts';
import { type Serving, serve } from '../../platform/http/serve.ts';
import { createLog } from '../../platform/log.ts';
import { createMetrics } from '../../platform/metrics.ts';
import { waitUntil } from '../support/wait-until.ts';

const bodyLimitBytes = 64 * 1024;
const lines: string[] = [];
const log = createLog({
  name: 'edge',
  level: 'debug',
  destination: { write: (line: string) => void lines.push(line) },
});
const seen: { bodies: number; waiting: number; floodsCut: number; aborted: string[] } = {
  bodies: 0,
  waiting: 0,
  floodsCut: 0,
  aborted: [],
};
let server: Serving;

beforeAll(async () => {
  const app = new Hono<EdgeEnv>();
  createEdge({ log, metrics: createMetrics(), bodyLimitBytes, deadlineMs: 5_000 }).attach(app);
  app.post('/echo', async (c) => {
    seen.bodies++;
    return c.json({ body: c.get('jsonBody'), again: await c.req.json() });
  });
  app.get('/hello', (c) => c.text('hello'));
  app.get('/who', (c) => c.text(bearerToken(c.req.header('authorization'))));
  app.get('/flood', (c) =>
    c.body(
      new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024)),
        cancel: () => void seen.floodsCut++,
      }),
    ),
  );
  app.get('/wait', async (c) => {
    const deadline = c.get('deadline');
    seen.waiting++;
    await new Promise((resolve) => deadline.addEventListener('abort', resolve, { once: true }));
    seen.aborted.push((deadline.reason as { code: string }).code);
    return c.text('late');
  });
  server = await serve({
    app,
    host: '127.0.0.1',
    port: 0,
    log,
    limits: {
      headersTimeoutMs: 300,
      requestTimeoutMs: 1_500,
      checkIntervalMs: 50,
      idleSocketTimeoutMs: 2_000,
      connectionsMax: 200,
      keepAliveTimeoutMs: 500,
    },
  });
});
afterAll(() => server.close(0));

type Answer = { status: number; text: string; closedAfterMs: number };

/** Sends each part, the next when the socket took the one before; resolves when the server closes or has answered a whole response. */
function raw(
  parts: readonly (string | Buffer)[],
  options: { drip?: number; untilClose?: boolean } = {},
): Promise<Answer> {
  return new Promise((resolve) => {
    const startedMs = performance.now();
    let text = '';
    let over = false;
    const socket = net.connect(server.port, '127.0.0.1');
    const done = () => {
      over = true;
      socket.destroy();
      resolve({
        status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0),
        text,
        closedAfterMs: performance.now() - startedMs,
      });
    };
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (!options.untilClose && isWhole(text)) done();
    });
    socket.on('close', () => over || done());
    socket.on('error', () => over || done());
    void (async () => {
      for (const part of parts) {
        if (over) return;
        await new Promise((written) => socket.write(part, written));
        if (options.drip) await sleep(options.drip);
      }
    })();
  });
}

function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  const length = /content-length: (\d+)/i.exec(text)?.[1];
  return end !== -1 && length !== undefined && text.length >= end + 4 + Number(length);
}

const post = (headers: string, body = '') =>
  `POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${headers}\r\n${body}`;
const problemIn = (answer: Answer) =>
  JSON.parse(answer.text.slice(answer.text.indexOf('\r\n\r\n') + 4)) as Record<string, unknown>;
const sized = (body: string) => post(`Content-Length: ${Buffer.byteLength(body)}\r\n`, body);
const aliveStill = async () => expect((await raw(['GET /hello HTTP/1.1\r\nHost: x\r\n\r\n'])).status).toBe(200);

test('a JSON body is read once and seen by every reader, with or without a declared length', async () => {
  const answer = await raw([sized('{"a":[1,"ü"]}')]);
  expect(JSON.parse(Buffer.from(answer.text.split('\r\n\r\n')[1] as string, 'latin1').toString())).toEqual({
    body: { a: [1, 'ü'] },
    again: { a: [1, 'ü'] },
  });
  expect((await raw([post('Transfer-Encoding: chunked\r\n', '7\r\n{"a":1}\r\n0\r\n\r\n')])).status).toBe(200);
});

test('A05 a chunked body without length is cut at the limit and never reaches a handler', async () => {
  const before = seen.bodies;
  const chunk = `${(8192).toString(16)}\r\n${'x'.repeat(8192)}\r\n`;
  const answer = await raw([post('Transfer-Encoding: chunked\r\n'), ...Array<string>(20).fill(chunk)]);
  expect([answer.status, problemIn(answer).code]).toEqual([413, 'body_too_large']);
  expect(seen.bodies).toBe(before);
});

test('A05 an endless body is not kept in memory', async () => {
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  const chunk = `${(1 << 20).toString(16)}\r\n${'x'.repeat(1 << 20)}\r\n`;
  const answer = await raw([post('Transfer-Encoding: chunked\r\n'), ...Array<string>(100).fill(chunk)], {
    untilClose: true,
  });
  expect(answer.status).toBe(413);
  expect((process.memoryUsage().rss - before) / (1 << 20)).toBeLessThan(60);
});

test('A05 a declared length past the limit is refused before the body is sent', async () => {
  const answer = await raw([post('Content-Length: 999999999\r\n')]);
  expect([answer.status, problemIn(answer).code]).toEqual([413, 'body_too_large']);
  expect(answer.text).toMatch(/connection: close/i);
});

test('A05 a body at the limit passes, one byte more does not', async () => {
  const fill = (bytes: number) => `"${'x'.repeat(bytes - 2)}"`;
  expect((await raw([sized(fill(bodyLimitBytes))])).status).toBe(200);
  expect((await raw([sized(fill(bodyLimitBytes + 1))])).status).toBe(413);
});

test('A05 lengths that lie: fewer bytes wait and time out, more bytes are no second request', async () => {
  expect((await raw([post('Content-Length: 50\r\n', '{"a":1}')])).status).toBe(408);
  // The garbage stands where a second request would: no answer may be mistaken for the answer to the first.
  const answer = await raw([post('Content-Length: 2\r\n', '{}GARBAGE / HTTP/1.1\r\n\r\n')], { untilClose: true });
  expect(answer.text).not.toContain('HTTP/1.1 400');
  expect(answer.text.match(/HTTP\/1\.1/g)?.length ?? 0).toBeLessThanOrEqual(1);
});

test.each([
  ['Content-Length and Transfer-Encoding', post('Content-Length: 2\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n')],
  ['two different Content-Lengths', post('Content-Length: 2\r\nContent-Length: 3\r\n', '{}')],
  ['a negative length', post('Content-Length: -1\r\n', '{}')],
  ['a length with a sign', post('Content-Length: +2\r\n', '{}')],
  ['an unknown transfer coding', post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n')],
  ['chunked twice', post('Transfer-Encoding: chunked, chunked, identity\r\n', '0\r\n\r\n')],
  ['a bad chunk size', post('Transfer-Encoding: chunked\r\n', 'zz\r\n{}\r\n0\r\n\r\n')],
  ['bare LF line ends', 'GET /hello HTTP/1.1\nHost: x\n\n'],
  ['a space before the colon', 'GET /hello HTTP/1.1\r\nHost : x\r\n\r\n'],
  ['a folded header', 'GET /hello HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n'],
  ['a NUL in a header', 'GET /hello HTTP/1.1\r\nHost: x\r\nX-A: b\u0000c\r\n\r\n'],
  ['no Host', 'GET /hello HTTP/1.1\r\n\r\n'],
  ['two Hosts', 'GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
  ['a Host with a path', 'GET /hello HTTP/1.1\r\nHost: a/b\r\n\r\n'],
  ['another protocol', 'GET /hello HTTP/9.9\r\nHost: x\r\n\r\n'],
  ['TLS on the plain port', Buffer.from('1603010200010001fc0303', 'hex')],
  ['no HTTP at all', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
])('A05 %s is answered 400 or closed, without a stack', async (_what, request) => {
  const answer = await raw([request], { untilClose: true });
  expect([0, 400]).toContain(answer.status);
  expect(answer.text).not.toMatch(/at .*\(|node:|\.ts/);
  await aliveStill();
});

test('A05 headers past the limit are answered 431', async () => {
  const answer = await raw([`GET /hello HTTP/1.1\r\nHost: x\r\nX-A: ${'a'.repeat(40_000)}\r\n\r\n`]);
  expect([answer.status, problemIn(answer).code]).toEqual([431, 'invalid_request']);
});

test.each([
  ['a million levels of nesting', '['.repeat(60_000), 'invalid_json'],
  ['a member twice', '{"plan":"a","plan":"b"}', 'invalid_json'],
  ['malformed JSON', '{"a":', 'invalid_json'],
  ['two documents', '{}{}', 'invalid_json'],
])('A05 %s is 400', async (_what, body, code) => {
  const answer = await raw([sized(body)]);
  expect([answer.status, problemIn(answer).code]).toEqual([400, code]);
});

test('A05 text that is not UTF-8, another content type, and compressed bodies are 400; a gzip bomb is never inflated', async () => {
  const bytes = Buffer.from([0x22, 0xc3, 0x28, 0x22]);
  expect(problemIn(await raw([post(`Content-Length: 4\r\n`), bytes])).code).toBe('invalid_json');
  const bomb = gzipSync(Buffer.alloc(20 << 20, 0x20));
  const zipped = await raw([post(`Content-Encoding: gzip\r\nContent-Length: ${bomb.length}\r\n`), bomb]);
  expect([zipped.status, problemIn(zipped).code]).toEqual([400, 'unsupported_media_type']);
  for (const type of [
    '',
    'Content-Type: text/plain\r\n',
    'Content-Type: application/json; charset=utf-16\r\n',
    'Content-Type: application/jsonx\r\n',
  ]) {
    const answer = await raw([`POST /echo HTTP/1.1\r\nHost: x\r\n${type}Content-Length: 2\r\n\r\n{}`]);
    expect(problemIn(answer).code, type).toBe('unsupported_media_type');
  }
});

test('R09 headers that drip are cut by the clock', async () => {
  const answer = await raw(['GET /hello HTTP/1.1\r\nHost: x\r\n', ...Array<string>(100).fill('X-A: b\r\n')], {
    drip: 30,
  });
  expect(answer.status).toBe(408);
  expect(answer.closedAfterMs).toBeLessThan(1_200); // by the clock of the headers, not by that of the whole request
});

test('R09 a body that drips is cut by the clock', async () => {
  const answer = await raw([post('Content-Length: 1000\r\n'), ...Array<string>(100).fill('x')], { drip: 30 });
  expect(answer.status).toBe(408);
  expect(answer.closedAfterMs).toBeLessThan(3_000);
});

test('R09 a silent connection and an idle kept-alive one are closed', async () => {
  expect((await raw([])).closedAfterMs).toBeLessThan(3_000);
  const kept = await raw(['GET /hello HTTP/1.1\r\nHost: x\r\n\r\n'], { untilClose: true });
  expect(kept.status).toBe(200);
  expect(kept.closedAfterMs).toBeLessThan(3_500);
});

test('R09 a client that never reads is cut, and what waits for it does not grow', async () => {
  const socket = net.connect(server.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.pause();
  const before = process.memoryUsage().rss;
  socket.write('GET /flood HTTP/1.1\r\nHost: x\r\n\r\n');
  // The idle limit here is 2 s without progress.
  await waitUntil(() => seen.floodsCut === 1, { what: 'the answer to be given up', timeoutMs: 10_000 });
  expect((process.memoryUsage().rss - before) / (1 << 20)).toBeLessThan(60);
  socket.destroy();
});

test('R09 connections past the bound are refused, and the server answers again when they are gone', async () => {
  const sockets = Array.from({ length: 300 }, () => net.connect(server.port, '127.0.0.1').on('error', () => {}));
  const refused = await waitUntil(
    () => sockets.filter((s) => s.destroyed || s.readableEnded || s.closed).length >= 100 && 'yes',
    { what: '100 refused connections' },
  );
  expect(refused).toBe('yes');
  for (const socket of sockets) socket.destroy();
  await waitUntil(async () => (await raw(['GET /hello HTTP/1.1\r\nHost: x\r\n\r\n'])).status === 200, {
    what: 'the server to answer again',
  });
});

test('S02 a client that leaves before or while it is answered aborts the work of its request', async () => {
  seen.aborted.length = 0;
  const socket = net.connect(server.port, '127.0.0.1');
  socket.write('GET /wait HTTP/1.1\r\nHost: x\r\n\r\n');
  await waitUntil(() => seen.waiting === 1, { what: 'the handler to wait' });
  const leftMs = performance.now();
  socket.destroy();
  await waitUntil(() => seen.aborted.length === 1, { what: 'the abort', timeoutMs: 1_000 });
  expect(seen.aborted).toEqual(['client_closed']);
  expect(performance.now() - leftMs).toBeLessThan(1_000);
});

test('S02 a client that leaves in the middle of its headers or body leaves nothing behind', async () => {
  for (const part of ['GET /hello HT', 'GET /hello HTTP/1.1\r\nHost', post('Content-Length: 100\r\n', '{"a"')]) {
    const socket = net.connect(server.port, '127.0.0.1').on('error', () => {});
    await new Promise((written) => socket.write(part, written));
    socket.resetAndDestroy();
  }
  await aliveStill();
});

test('J15 two Authorization headers, a folded one, a tab and other schemes are 400 or 401', async () => {
  const who = (headers: string) => raw([`GET /who?access_token=abc HTTP/1.1\r\nHost: x\r\n${headers}\r\n`]);
  expect((await who('Authorization: Bearer abc\r\n')).text).toMatch(/abc$/);
  const bad = [
    '',
    'Authorization: Bearer abc\r\nAuthorization: Bearer def\r\n',
    'Authorization: Bearer abc\r\nAuthorization: Bearer abc\r\n',
    'Authorization: Basic abc\r\nAuthorization: Bearer abc\r\n',
    'Authorization: Bearer abc\r\nauthorization: Basic abc\r\n',
    'Authorization: Bearer\tabc\r\n',
    'Authorization: Bearer\r\n abc\r\n',
    'Authorization: Bearer abc,Bearer def\r\n',
    'Cookie: authorization=Bearer abc; token=abc\r\n',
    'X-Authorization: Bearer abc\r\n',
  ];
  for (const headers of bad) {
    const answer = await who(headers);
    expect([400, 401], headers).toContain(answer.status);
    if (answer.status === 401) expect(answer.text).toMatch(/www-authenticate: Bearer realm="freehold"\r\n/i);
  }
});

test('nothing the attacks did reached the log as an unexpected error', () => {
  expect(lines.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]);
});
