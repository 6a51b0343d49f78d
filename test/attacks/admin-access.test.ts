// Who may call what: every route × every role with real keys, keys of every wrong kind, and an audit entry for every change.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newApiKeyText } from '../../catalog/api-key-text.ts';
import { newId } from '../../catalog/ids.ts';
import { adminRoles } from '../../catalog/roles.ts';
import { checkAccessRule, describeAccess } from '../../control-plane/api/access.ts';
import { adminRoutes } from '../../control-plane/api/admin-routes.ts';
import { createApiKeyDoor } from '../../control-plane/api/api-key-door.ts';
import { createAdminApi } from '../../control-plane/api/app.ts';
import type { AdminApiDeps } from '../../control-plane/api/deps.ts';
import type { AdminRoute } from '../../control-plane/api/route.ts';
import type { Edge } from '../../platform/http/edge.ts';
import { type ControlPlane, startControlPlane } from '../support/control-plane.ts';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

const fill: Record<string, string> = {
  tenant: newId('tenant'),
  cluster: newId('cluster'),
  operation: newId('operation'),
  api_key: newId('apiKey'),
  release: newId('release'),
  rollout: newId('rollout'),
  group: 'no-such-group',
  plan: 'no-such-plan',
  kid: 'no-such-kid',
  name: 'no-such-reconciler',
  file: 'start.js',
};
const pathOf = (path: string) =>
  path.replaceAll(/\{(\w+)\}/g, (_, name: string) => fill[name] ?? expect.fail(`no example for {${name}}`));
const rows = describeAccess(adminRoutes);

describe('A01 every route × every role', () => {
  test.each(rows)('A01 $method $path', async ({ method, path, roles }) => {
    const call = (as?: (typeof adminRoles)[number]) =>
      plane.request(method, pathOf(path), as === undefined ? {} : { as });
    const withoutKey = await call();
    if (roles === 'public') expect([200, 404, 503]).toContain(withoutKey.status);
    else expect(await withoutKey.json()).toMatchObject({ status: 401, code: 'unauthenticated' });
    for (const role of adminRoles) {
      const answer = await call(role);
      await (answer.headers.get('content-type') === 'text/event-stream' ? answer.body?.cancel() : answer.arrayBuffer());
      const admitted = answer.status !== 401 && answer.status !== 403;
      expect(admitted, `${role} got ${answer.status}`).toBe(roles === 'public' || roles.includes(role));
      expect(answer.status).toBeLessThan(500);
    }
  });

  test('A01 a refusal names the roles that are allowed and nothing of the resource', async () => {
    const problem = await (await plane.request('DELETE', `/v1/tenants/${newId('tenant')}`, { as: 'viewer' })).json();
    expect(problem).toMatchObject({
      status: 403,
      code: 'role_forbidden',
      role: 'viewer',
      allowed: ['operator', 'owner'],
    });
  });

  test('A01 a route without a rule, with an empty one or without an audit action stops the start', () => {
    const get = adminRoutes.find(({ spec }) => spec.operationId === 'getPlan') as AdminRoute;
    const withRule = (access: unknown, more = {}) => ({ ...get, spec: { ...get.spec, access, ...more } }) as AdminRoute;
    for (const access of [undefined, [], ['viewer'], ['owner', 'root']]) {
      expect(() => checkAccessRule(withRule(access))).toThrow(TypeError);
    }
    expect(() => checkAccessRule(withRule(['owner'], { method: 'post' }))).toThrow(/audit/);
    expect(() => checkAccessRule(get)).not.toThrow();
  });

  test('A01 a route added to the application behind the table stops the start', () => {
    const edge: Edge = { attach: (app) => void app.get('/v1/hidden', (c) => c.text('x')) };
    expect(() => createAdminApi({ edge } as AdminApiDeps & { edge: Edge })).toThrow(
      'GET /v1/hidden has no rule of access',
    );
  });
});

describe('keys of the wrong kind', () => {
  const refused = async (headers: Record<string, string>, code: string) => {
    const answer = await plane.request('GET', '/v1/me', { headers });
    expect(answer.headers.get('www-authenticate')).toContain('Bearer');
    expect(await answer.json()).toMatchObject({ status: 401, code });
  };

  test('J08 a runtime token is useless at the admin API', async () => {
    const operator = plane.client('operator');
    const { tenant } = await operator.tenants.create(
      { slug: 'token-holder', name: 'T', region: 'here', plan: 'team' },
      { waitSec: 30 },
    );
    const { token } = await operator.tenants.mintToken(tenant.id, { scopes: ['sql'], subject: 'test' });
    await refused({ authorization: `Bearer ${token}` }, 'api_key_invalid');
  });

  test('no scheme, another scheme, two keys, a key in the query or a cookie', async () => {
    const { text } = plane.keys.owner;
    await refused({ authorization: text }, 'unauthenticated');
    await refused({ authorization: `Basic ${text}` }, 'unauthenticated');
    await refused({ authorization: `Bearer ${text}, Bearer ${text}` }, 'unauthenticated');
    await refused({ cookie: `authorization=Bearer ${text}` }, 'unauthenticated');
    expect((await plane.request('GET', `/v1/me?access_token=${text}`)).status).toBe(401);
  });

  test('unknown, wrong secret, one character more, lower case: one answer for all', async () => {
    const { text } = plane.keys.owner;
    const wrongSecret = text.slice(0, 31) + randomBytes(32).toString('base64url');
    for (const key of [
      newApiKeyText().text,
      wrongSecret,
      `${text}A`,
      text.toLowerCase(),
      'fhk_',
      `${text.slice(0, -1)}-`,
    ]) {
      await refused({ authorization: `Bearer ${key}` }, 'api_key_invalid');
    }
  });

  test('an expired key', async () => {
    const expiresAt = new Date(Date.now() + 300);
    const { key } = await plane
      .client('owner')
      .apiKeys.create({ name: 'short', role: 'viewer', expires_at: expiresAt.toISOString() });
    expect((await plane.request('GET', '/v1/me', { key })).status).toBe(200);
    await sleep(Math.max(0, expiresAt.getTime() - Date.now() + 5));
    await refused({ authorization: `Bearer ${key}` }, 'api_key_invalid');
  });
});

describe('A04 API keys', () => {
  test('A04 only a keyed hash is stored, the prefix is shown, the key is in one answer', async () => {
    const owner = plane.client('owner');
    const { id, key, prefix } = await owner.apiKeys.create({ name: 'stored', role: 'viewer' });
    expect(key.startsWith(prefix)).toBe(true);
    const row = await plane.installation.catalog.db
      .selectFrom('api_keys')
      .selectAll()
      .where('id', '=', id as `key_${string}`)
      .executeTakeFirstOrThrow();
    const secret = key.slice(prefix.length);
    expect(JSON.stringify(row)).not.toContain(secret);
    expect(row.secret_mac).toMatch(/^[\w-]{43}$/);
    const audit = await owner.audit.page({ target_id: id });
    const list = await owner.apiKeys.page({});
    expect(JSON.stringify([audit, list])).not.toContain(secret);
  });

  test('A04 a revoked key is refused at once here, and by another process when it hears of it', async () => {
    const { sealer, log, catalog } = plane.installation;
    let elapsedMs = 0;
    const clock = { now: () => new Date(), monotonicMs: () => elapsedMs };
    const otherProcess = createApiKeyDoor({ db: catalog.db, sealer, clock, log });
    const { id, key } = await plane.client('owner').apiKeys.create({ name: 'revoked', role: 'viewer' });
    expect((await plane.request('GET', '/v1/me', { key })).status).toBe(200);
    await otherProcess.admit(key);
    await plane.client('owner').apiKeys.revoke(id);
    expect((await plane.request('GET', '/v1/me', { key })).status).toBe(401);
    // It has not heard of it and remembers the key; 30 s later it does not, without any notification.
    await otherProcess.admit(key);
    elapsedMs += 30_001;
    await expect(otherProcess.admit(key)).rejects.toMatchObject({ code: 'api_key_invalid' });
  });

  test('A04 NOTIFY makes another process forget', async () => {
    const { id, key } = await plane.client('owner').apiKeys.create({ name: 'revoked elsewhere', role: 'viewer' });
    expect((await plane.request('GET', '/v1/me', { key })).status).toBe(200);
    // As another process would: the row and the notification, nothing said to this one.
    const { revokeApiKey } = await import('../../catalog/api-keys.ts');
    const { db } = plane.installation.catalog;
    await db
      .transaction()
      .execute((tx) => revokeApiKey(tx, id as `key_${string}`, { actor: 'key_test', role: 'owner' }));
    await expect.poll(async () => (await plane.request('GET', '/v1/me', { key })).status, { timeout: 5_000 }).toBe(401);
  });

  test('A04 a known id with a wrong secret costs what an unknown id costs', async () => {
    const { sealer, log, catalog } = plane.installation;
    const door = createApiKeyDoor({
      db: catalog.db,
      sealer,
      clock: { now: () => new Date(), monotonicMs: () => performance.now() },
      log,
    });
    const { text } = plane.keys.viewer;
    await door.admit(text);
    const timeOf = async (key: string) => {
      const startedMs = performance.now();
      await door.admit(key).catch(() => {});
      return performance.now() - startedMs;
    };
    const known: number[] = [];
    const unknown: number[] = [];
    for (let i = 0; i < 400; i++) {
      const secret = randomBytes(32).toString('base64url');
      // Interleaved, so that the noise of the machine falls on both.
      known.push(await timeOf(text.slice(0, 31) + secret));
      unknown.push(await timeOf(`fhk_${newId('apiKey').slice(4)}_${secret}`));
    }
    const median = (times: number[]) => times.sort((a, b) => a - b)[times.length / 2] as number;
    const [a, b] = [median(known), median(unknown)];
    console.log(`A04 median of 400: known id ${a.toFixed(3)} ms, unknown id ${b.toFixed(3)} ms`);
    expect(Math.max(a, b) / Math.min(a, b)).toBeLessThan(1.25);
  });

  test('A04 the last live owner key cannot be revoked, the last but one can', async () => {
    const owner = plane.client('owner');
    await expect(owner.apiKeys.revoke(plane.keys.owner.id)).rejects.toMatchObject({ code: 'wrong_state', status: 409 });
    const second = await owner.apiKeys.create({ name: 'second owner', role: 'owner' });
    expect((await owner.apiKeys.revoke(second.id)).revoked_at).not.toBeNull();
    expect((await owner.apiKeys.revoke(second.id)).revoked_at).not.toBeNull();
  });
});
