import { once } from 'node:events';
import { createServer } from 'node:net';
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { edgeFault } from '../../platform/edge-faults.ts';
import { Fault, type FaultKind, isFault } from '../../platform/errors.ts';
import { createEdge, type EdgeEnv } from '../../platform/http/edge.ts';
import { problemHeaders, problemOf, validationHook } from '../../platform/http/problem.ts';
import { type Serving, serve } from '../../platform/http/serve.ts';
import { createLog } from '../../platform/log.ts';
import { createMetrics, metricsApp } from '../../platform/metrics.ts';
import { waitUntil } from '../support/wait-until.ts';

const lines: Record<string, unknown>[] = [];
const log = createLog({
  name: 'edge',
  level: 'info',
  destination: { write: (line: string) => void lines.push(JSON.parse(line)) },
});
const metrics = createMetrics();
const state = { deadlineReason: '' };
let server: Serving;

function testApp() {
  const app = new OpenAPIHono<EdgeEnv>({ defaultHook: validationHook });
  createEdge({ log, metrics, bodyLimitBytes: 4_096, deadlineMs: 150, untypedJsonPaths: ['/sql'] }).attach(app);
  const body = z.strictObject({ name: z.string().max(5), size: z.strictObject({ 'a/b': z.number() }).optional() });
  const route = createRoute({
    method: 'post',
    path: '/things/{id}',
    request: {
      params: z.object({ id: z.string().max(8) }),
      query: z.strictObject({ limit: z.coerce.number().int().max(9).optional() }),
      body: { required: true, content: { 'application/json': { schema: body } } },
    },
    responses: { 200: { description: 'ok' } },
  });
  app.openapi(route, (c) => c.json({ name: c.req.valid('json').name }));
  app.post('/sql', (c) => c.json({ body: c.get('jsonBody') }));
  app.get('/slow', async (c) => {
    const deadline = c.get('deadline');
    await new Promise((resolve) => deadline.addEventListener('abort', resolve, { once: true }));
    state.deadlineReason = (deadline.reason as Fault).code;
    return c.text('too late');
  });
  app.get('/stubborn', () => new Promise<Response>(() => {}));
  app.get('/unknown-error', () => {
    throw new TypeError('host db7.internal refused postgres://u:pw@db7');
  });
  app.get('/busy', () => {
    throw edgeFault('shutting_down', 'Try again.', {
      internal: 'db7.internal',
      retryAfterMs: 1_200,
      extra: { operation_id: 'op_1', status: 200, code: 'faked' },
    });
  });
  return app;
}

beforeAll(async () => {
  server = await serve({ app: testApp(), host: '127.0.0.1', port: 0, log });
});
afterAll(() => server.close(0));

const ask = async (path: string, init?: RequestInit) => {
  const response = await fetch(`${server.url}${path}`, init);
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: () => JSON.parse(text) as Record<string, unknown>,
  };
};
const postJson = (path: string, body: unknown) =>
  ask(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

test('every kind of fault has its status', () => {
  const statuses: Record<FaultKind, number> = {
    invalid: 400,
    unauthenticated: 401,
    forbidden: 403,
    'not-found': 404,
    'method-not-allowed': 405,
    conflict: 409,
    stale: 412,
    'precondition-required': 428,
    unprocessable: 422,
    locked: 423,
    'too-large': 413,
    'too-many': 429,
    timeout: 504,
    unavailable: 503,
    internal: 500,
  };
  for (const [kind, status] of Object.entries(statuses)) {
    const fault = new Fault('x', { kind: kind as FaultKind, title: 't', cause: '', check: '', who: 'client' }, 'd');
    expect(problemOf(fault, 'r')).toEqual({
      type: '/docs/errors#x',
      title: 't',
      status,
      code: 'x',
      detail: 'd',
      request_id: 'r',
    });
    expect('www-authenticate' in problemHeaders(fault)).toBe(kind === 'unauthenticated');
  }
});

test('a request id is made, or kept when it is harmless, and stands in the answer, the problem and the log', async () => {
  const made = await ask('/nothing-here');
  const id = made.headers.get('x-request-id') as string;
  expect(id).toMatch(/^req_[0-9a-f-]{36}$/);
  expect(made.json()).toMatchObject({ status: 404, code: 'not_found', request_id: id });
  expect(lines.find((line) => line.request_id === id)).toMatchObject({
    msg: 'request',
    status: 404,
    route: 'unmatched',
    method: 'GET',
  });
  expect((await ask('/x', { headers: { 'x-request-id': 'client-id-0001' } })).headers.get('x-request-id')).toBe(
    'client-id-0001',
  );
  for (const bad of ['short', 'a b c d e f g', '"quoted-id"', 'x'.repeat(65)]) {
    expect((await ask('/x', { headers: { 'x-request-id': bad } })).headers.get('x-request-id')).toMatch(/^req_/);
  }
});

test('an unknown error tells the client only its request id and the log everything but secrets', async () => {
  const answer = await ask('/unknown-error');
  expect(answer.status).toBe(500);
  expect(answer.text).not.toMatch(/db7\.internal|postgres:|TypeError|\.ts:/);
  const id = answer.json().request_id;
  const line = lines.find((l) => l.request_id === id && l.level === 'error');
  expect(JSON.stringify(line)).toMatch(/host db7\.internal refused postgres:\/\/u:\[redacted\]@db7/);
});

test('a fault gives its own status, Retry-After and public members, which cannot replace the standard ones', async () => {
  const answer = await ask('/busy');
  expect(answer.headers.get('retry-after')).toBe('2');
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  expect(answer.json()).toMatchObject({ status: 503, code: 'shutting_down', operation_id: 'op_1' });
  expect(answer.text).not.toContain('db7.internal');
});

test('every answer carries the security headers', async () => {
  for (const path of ['/busy', '/nothing', '/unknown-error']) {
    const { headers } = await ask(path);
    expect([headers.get('x-content-type-options'), headers.get('cache-control')]).toEqual(['nosniff', 'no-store']);
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
  }
});

test('a body that does not fit is answered with a pointer to every place', async () => {
  const answer = await postJson('/things/1', {
    name: 'too long',
    size: { 'a/b': 'x', '~extra': 1 },
    plan: 'gold',
    ['__proto__']: 1,
  });
  expect([answer.status, answer.json().code]).toEqual([400, 'invalid_body']);
  const pointers = (answer.json().errors as { pointer: string }[]).map((e) => e.pointer);
  expect(new Set(pointers)).toEqual(new Set(['/__proto__', '/name', '/plan', '/size/a~1b', '/size/~0extra']));
  expect((await postJson('/things/1', { name: 'ok' })).json()).toEqual({ name: 'ok' });
});

test('A02 a member named __proto__ in the raw text is an unknown member', async () => {
  const answer = await ask('/things/1', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"name":"ok","__proto__":{"admin":true}}',
  });
  expect(answer.json()).toMatchObject({ status: 400, code: 'invalid_body', errors: [{ pointer: '/__proto__' }] });
});

test('query and path parameters have codes of their own', async () => {
  expect((await postJson('/things/1?limit=99', { name: 'ok' })).json()).toMatchObject({
    code: 'invalid_query',
    errors: [{ pointer: '/limit' }],
  });
  expect((await postJson('/things/1?offset=1', { name: 'ok' })).json()).toMatchObject({
    code: 'invalid_query',
    errors: [{ pointer: '/offset' }],
  });
  expect((await postJson('/things/123456789', { name: 'ok' })).json()).toMatchObject({
    code: 'invalid_path',
    errors: [{ pointer: '/id' }],
  });
});

test('a thousand wrong members give an answer of bounded size', async () => {
  const body = Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`k${i}`, 1]));
  expect((await postJson('/things/1', body)).json().errors).toHaveLength(20);
});

test('a path named as untyped takes JSON sent as text', async () => {
  const answer = await ask('/sql', { method: 'POST', body: '{"query":"select 1"}' });
  expect(answer.json()).toEqual({ body: { query: 'select 1' } });
});

test('at the deadline the signal aborts and the client is answered, even when the handler never ends', async () => {
  const slow = await ask('/slow');
  expect([slow.status, slow.json().code, state.deadlineReason]).toEqual([
    504,
    'deadline_exceeded',
    'deadline_exceeded',
  ]);
  expect((await ask('/stubborn')).status).toBe(504);
});

test('the metrics page counts by route template and status class, never by path', async () => {
  await postJson('/things/77', { name: 'ok' });
  await ask('/strange/path/1');
  const page = await (await metricsApp(metrics).request('/metrics')).text();
  expect(page).toMatch(/freehold_http_request_seconds_count\{route="\/things\/:id",method="POST",status="2xx"\} \d+/);
  expect(page).toMatch(/route="unmatched",method="GET",status="4xx"/);
  expect(page).not.toMatch(/things\/77|strange/);
  expect(page).toContain('process_cpu_seconds_total');
});

test('a port that is taken is a fault that says so', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  const error: unknown = await serve({ app: testApp(), host: '127.0.0.1', port, log }).catch((e: unknown) => e);
  expect(isFault(error, 'port_in_use') && error.message).toContain(String(port));
  taken.close();
});

test('R10 close lets a request in flight end, takes no new one, then cuts what does not end in time', async () => {
  const app = new OpenAPIHono<EdgeEnv>();
  createEdge({ log, metrics, bodyLimitBytes: 10, deadlineMs: 10_000 }).attach(app);
  let waiting = 0;
  const release = Promise.withResolvers<void>();
  app.get('/held', async (c) => {
    waiting++;
    await release.promise;
    return c.text('done');
  });
  app.get('/stuck', () => {
    waiting++;
    return new Promise<Response>(() => {});
  });
  const one = await serve({ app, host: '127.0.0.1', port: 0, log });
  const held = fetch(`${one.url}/held`);
  await waitUntil(() => waiting === 1, { what: 'the request to be in flight' });
  const closed = one.close(5_000);
  await expect(fetch(`${one.url}/held`)).rejects.toThrow();
  release.resolve();
  expect(await (await held).text()).toBe('done');
  await closed;

  const two = await serve({ app, host: '127.0.0.1', port: 0, log });
  const stuck = fetch(`${two.url}/stuck`).catch((error: unknown) => error);
  await waitUntil(() => waiting === 2, { what: 'the request to be in flight' });
  const startedMs = performance.now();
  await two.close(100);
  expect(performance.now() - startedMs).toBeLessThan(2_000);
  expect(await stuck).toBeInstanceOf(Error);
});
