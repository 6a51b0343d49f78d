// Clusters, keys, audit, documents: what concerns the installation, over HTTP.
import fs from 'node:fs';
import path from 'node:path';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runtimeAudience, runtimeClaimsSchema, runtimeTokenType, tokenLifetimeMaxSec } from '../../catalog/claims.ts';
import { newId } from '../../catalog/ids.ts';
import { rolloutPolicySchema } from '../../catalog/rollout-policy.ts';
import { adminRoutes } from '../../control-plane/api/admin-routes.ts';
import type { NewCluster, Tenant } from '../../control-plane/client.ts';
import { createKeySet, verifyJwt } from '../../platform/jwt.ts';
import { freePort, type PrivateCluster, startPrivateCluster } from '../support/clusters.ts';
import { type ControlPlane, startControlPlane } from '../support/control-plane.ts';
import { superuserSql } from '../support/superuser-sql.ts';

let plane: ControlPlane;
let server: PrivateCluster;
let tenant: Tenant;
beforeAll(async () => {
  [plane, server] = await Promise.all([startControlPlane(), startPrivateCluster()]);
  const body = { slug: 'holder', name: 'H', region: 'here', plan: 'team' };
  tenant = (await plane.client('operator').tenants.create(body, { waitSec: 30 })).tenant;
});
afterAll(async () => {
  await plane.close();
  await server.remove();
});

const newCluster = (more: Partial<NewCluster> = {}): NewCluster => {
  const { host, port, user, password } = server.address;
  return {
    name: 'three',
    region: 'there',
    superuser: { host, port, user, password },
    capacity: 10,
    connection_budget: 50,
    ...more,
  };
};
const register = (body: unknown) => plane.request('POST', '/v1/clusters', { as: 'dba', body });

describe('registering a cluster', () => {
  test('nobody listens: cluster_unreachable; a wrong password too, and neither tells it', async () => {
    const port = await freePort();
    const nobody = await (
      await register(newCluster({ superuser: { url: `postgres://u:s3cret@127.0.0.1:${port}/postgres` } }))
    ).json();
    expect(nobody).toMatchObject({ status: 503, code: 'cluster_unreachable' });
    const { host, port: realPort, user } = server.address;
    const wrong = await (
      await register(newCluster({ superuser: { host, port: realPort, user, password: 'wr0ng' } }))
    ).json();
    expect(wrong).toMatchObject({ status: 503, code: 'cluster_unreachable' });
    expect(JSON.stringify([nobody, wrong])).not.toMatch(/s3cret|wr0ng|127\.0\.0\.1/);
  });

  test('a server that lets logins in without a password: cluster_unsuitable, with what is wrong', async () => {
    const open = await startPrivateCluster({ hba: 'host all all 127.0.0.1/32 trust\n' });
    try {
      const { host, port, user, password } = open.address;
      const problem = await (await register(newCluster({ superuser: { host, port, user, password } }))).json();
      expect(problem).toMatchObject({
        status: 400,
        code: 'cluster_unsuitable',
        problems: [expect.stringMatching(/trust/)],
      });
    } finally {
      await open.remove();
    }
  });

  test.each([
    [
      'a URL with an unknown parameter',
      { superuser: { url: 'postgres://u:p@h/db?sslmoed=require' } },
      '/superuser/url',
    ],
    ['a URL that is none', { superuser: { url: 'db1.internal' } }, '/superuser/url'],
    ['a socket', { superuser: { url: 'postgres://u:p@x/db?host=/tmp' } }, '/superuser/url'],
    ['warm_max below warm_min', { warm_min: 5, warm_max: 1 }, '/warm_max'],
    ['an unknown member', { password: 'x' }, '/password'],
  ])('%s', async (_what, more, pointer) => {
    const problem = (await (await register({ ...newCluster(), ...more })).json()) as { errors: { pointer: string }[] };
    expect(problem).toMatchObject({ status: 400, code: 'invalid_body' });
    expect(problem.errors.map((each) => each.pointer)).toContain(pointer);
  });

  test('two at once: one wins, and its credential works; nothing of the superuser is stored', async () => {
    const both = await Promise.all([register(newCluster()), register(newCluster({ name: 'four' }))]);
    const codes = await Promise.all(
      both.map(async (answer) => ((await answer.json()) as { code?: string }).code ?? 'registered'),
    );
    expect(codes.filter((code) => code === 'registered')).toHaveLength(1);
    expect(['name_taken', 'operation_in_progress']).toContain(codes.find((code) => code !== 'registered'));
    expect(await (await register(newCluster({ name: 'five' }))).json()).toMatchObject({
      status: 409,
      code: 'name_taken',
    });
    const dba = plane.client('dba');
    const [cluster] = (await dba.clusters.page({ region: 'there' })).data;
    await expect(
      plane.installation.connections.clusters.of(cluster?.id as `cls_${string}`).ping(),
    ).resolves.toMatchObject({ sessions: expect.any(Number) });
    const rows = await superuserSql(plane.installation.catalog.address, 'select * from clusters');
    const audit = await dba.audit.page({ action: 'cluster.register' });
    expect(JSON.stringify([cluster, rows, audit])).not.toContain(server.address.password);
    expect(JSON.stringify(cluster)).not.toContain('sealed');
  });

  test('limits with an ETag, drain and activate', async () => {
    const dba = plane.client('dba');
    const [cluster] = (await dba.clusters.page({ region: 'there' })).data;
    if (cluster === undefined) return expect.fail('registered above');
    expect(await dba.clusters.get(cluster.name)).toMatchObject(cluster);
    const changed = await dba.clusters.update(cluster.id, { capacity: 20 }, { version: cluster.version });
    expect(changed).toMatchObject({ capacity: 20, version: cluster.version + 1 });
    await expect(dba.clusters.update(cluster.id, { capacity: 30 }, { version: cluster.version })).rejects.toMatchObject(
      { code: 'stale_version' },
    );
    await expect(dba.clusters.update(cluster.id, { warm_min: 9 }, { version: changed.version })).rejects.toMatchObject({
      code: 'invalid_body',
    });
    const bad = [
      'postgres://u:s3cret@h:6432',
      'postgres://h',
      'postgres://h:1/db',
      'postgres://h:1?sslmod=require',
      'h:1',
      '',
    ];
    for (const pooler_url of bad) {
      const refused = await register(newCluster({ pooler_url })).then((answer) => answer.json());
      expect(refused, pooler_url).toMatchObject({ code: 'invalid_body', errors: [{ pointer: '/pooler_url' }] });
      expect(JSON.stringify(refused)).not.toContain('s3cret');
    }
    const pooler_url = 'postgres://pooler:6432?sslmode=require';
    const pooled = await dba.clusters.update(cluster.id, { pooler_url }, { version: changed.version });
    expect(await dba.clusters.get(cluster.id)).toMatchObject({ pooler_url });
    const direct = await dba.clusters.update(cluster.id, { pooler_url: null }, { version: pooled.version });
    expect(direct.pooler_url).toBe(null);
    expect((await dba.clusters.drain(cluster.id)).state).toBe('draining');
    const body = { slug: 'drained', name: 'D', region: 'there', plan: 'team' };
    await expect(plane.client('operator').tenants.create(body)).rejects.toMatchObject({ code: 'no_capacity' });
    expect((await dba.clusters.activate(cluster.id)).state).toBe('active');
    await expect(dba.clusters.get(newId('cluster'))).rejects.toMatchObject({ code: 'cluster_not_found', status: 404 });
  });
});

describe('tokens and signing keys', () => {
  const mint = async () =>
    (
      await plane
        .client('operator')
        .tenants.mintToken(tenant.id, { scopes: ['sql:read', 'tenant:read'], subject: 'user 7' })
    ).token;
  const keySet = async () => {
    const { keys } = await plane.client('viewer').signingKeys.jwks();
    return await createKeySet(
      keys.map((jwk) => ({ kid: jwk.kid as string, issuer: 'https://freehold.test', alg: 'EdDSA', jwk })),
    );
  };
  const verify = async (token: string) =>
    await verifyJwt(token, await keySet(), {
      typ: runtimeTokenType,
      issuer: 'https://freehold.test',
      audience: runtimeAudience,
      maxLifetimeSec: tokenLifetimeMaxSec,
    });

  test('a token says what was asked, and verifies with the published keys', async () => {
    const { claims } = await verify(await mint());
    const parsed = runtimeClaimsSchema.parse(claims);
    expect(parsed).toMatchObject({
      tid: tenant.id,
      ep: tenant.epoch,
      sub: 'user 7',
      scope: new Set(['sql:read', 'tenant:read']),
    });
    expect(parsed.exp - parsed.iat).toBe(300);
    const jwks = await plane.request('GET', '/.well-known/jwks.json');
    expect(await jwks.text()).not.toContain('"d"');
  });

  test('J07 no token for longer than allowed, for an unknown scope or for nobody', async () => {
    const bad = [
      { ttl_seconds: tokenLifetimeMaxSec + 1 },
      { ttl_seconds: 0 },
      { scopes: ['root'] },
      { scopes: [] },
      { scopes: ['sql', 'sql'] },
      { subject: '' },
      { aud: 'x' },
    ];
    for (const more of bad) {
      const body = { scopes: ['sql'], subject: 's', ...more };
      const answer = await plane.request('POST', `/v1/tenants/${tenant.id}/tokens`, { as: 'operator', body });
      expect(await answer.json(), JSON.stringify(more)).toMatchObject({ status: 400, code: 'invalid_body' });
    }
  });

  test('no token for a tenant that is not served', async () => {
    const operator = plane.client('operator');
    await operator.tenants.suspend(tenant.id, { waitSec: 30 });
    await expect(mint()).rejects.toMatchObject({
      code: 'wrong_state',
      extra: { state: 'suspended', possible: ['resume', 'delete'] },
    });
    tenant = (await operator.tenants.resume(tenant.id, { waitSec: 30 })).tenant;
    expect((decodeJwt(await mint()) as { ep: number }).ep).toBe(tenant.epoch);
  });

  test('J13 rotation: the next key was published before, tokens of the old one stay good, a revoked one is gone', async () => {
    const owner = plane.client('owner');
    const before = await owner.signingKeys.all();
    const oldToken = await mint();
    const active = await owner.signingKeys.rotate();
    expect(active.kid).toBe(before.find((key) => key.state === 'next')?.kid);
    const newToken = await mint();
    expect((await verify(newToken)).kid).toBe(active.kid);
    const old = await verify(oldToken);
    const retiring = (await owner.signingKeys.all()).find((key) => key.kid === old.kid);
    expect(retiring?.state).toBe('retiring');
    expect(Date.parse(retiring?.retires_at as string)).toBeGreaterThan(Date.now() + tokenLifetimeMaxSec * 1_000);
    await owner.signingKeys.revoke(active.kid);
    await expect(verify(newToken)).rejects.toMatchObject({ code: 'token_invalid' });
    await expect(verify(await mint())).resolves.toBeDefined();
    expect((await owner.signingKeys.all()).filter((key) => key.state === 'active')).toHaveLength(1);
    await expect(owner.signingKeys.revoke('unknown')).rejects.toMatchObject({ code: 'signing_key_not_found' });
  });
});

describe('every change leaves an audit entry', () => {
  const owner = () => plane.client('owner');
  const bare = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    plane.request(method, path, { as: 'owner', body, headers });
  const made = async (slug: string) =>
    (await owner().tenants.create({ slug, name: 'N', region: 'here', plan: 'team' }, { waitSec: 30 })).tenant;
  const moved =
    (slug: string, ...before: ('suspend' | 'delete')[]) =>
    async (method: string, path: string) => {
      const { id } = await made(slug);
      for (const move of before) await owner().tenants[move](id, { waitSec: 30 });
      return await bare(method, path.replace('{tenant}', id), undefined, { prefer: 'wait=30' });
    };

  /** How each change is made to succeed; a new route that changes something needs a line here. */
  const recipes: Record<string, (method: string, path: string) => Promise<Response>> = {
    createTenant: (method, path) =>
      bare(
        method,
        path,
        { slug: 'audit-create', name: 'N', region: 'here', plan: 'team' },
        { 'idempotency-key': 'audit' },
      ),
    updateTenant: (method, path) =>
      bare(method, path.replace('{tenant}', tenant.id), { name: 'New' }, { 'if-match': `"${tenant.version}"` }),
    suspendTenant: moved('audit-suspend'),
    resumeTenant: moved('audit-resume', 'suspend'),
    deleteTenant: moved('audit-delete'),
    undeleteTenant: moved('audit-undelete', 'delete'),
    purgeTenant: moved('audit-purge', 'delete'),
    mintTenantToken: (method, path) =>
      bare(method, path.replace('{tenant}', tenant.id), { scopes: ['sql'], subject: 's' }),
    registerCluster: async (method, path) => {
      const [known] = (await owner().clusters.page({ region: 'there' })).data;
      const { db } = plane.installation.catalog;
      if (known !== undefined) {
        await superuserSql(
          plane.installation.catalog.address,
          `delete from connection_shares where cluster_id = '${known.id}'`,
        );
        await db
          .deleteFrom('clusters')
          .where('id', '=', known.id as `cls_${string}`)
          .execute();
      }
      return await bare(method, path, newCluster());
    },
    updateCluster: async (method, path) => {
      const [cluster] = (await owner().clusters.page({ region: 'there' })).data;
      return await bare(
        method,
        path.replace('{cluster}', cluster?.id as string),
        { capacity: 11 },
        { 'if-match': `"${cluster?.version}"` },
      );
    },
    installCluster: async (method, path) => {
      const { id } = await owner().clusters.get('three');
      return await bare(method, path.replace('{cluster}', id), { superuser: newCluster().superuser });
    },
    drainCluster: async (method, path) =>
      bare(method, path.replace('{cluster}', (await owner().clusters.get('three')).id)),
    activateCluster: async (method, path) =>
      bare(method, path.replace('{cluster}', (await owner().clusters.get('three')).id)),
    createPlan: (method, path) => bare(method, path, { id: 'audit-plan', title: 'P', limits: {} }),
    updatePlan: async (method, path) =>
      bare(
        method,
        path.replace('{plan}', 'audit-plan'),
        { title: 'Q', state: 'retired', tenants_max: 3 },
        { 'if-match': '"1"' },
      ),
    cancelOperation: async (method, path) => {
      plane.hold();
      const { operation } = await owner().tenants.create({
        slug: 'audit-cancel',
        name: 'N',
        region: 'here',
        plan: 'team',
      });
      const answer = await bare(method, path.replace('{operation}', operation.id));
      plane.letGo();
      await owner().operations.wait(operation.id);
      return answer;
    },
    retryOperation: async (method, path) => {
      const [operation] = (await owner().operations.page({ state: 'cancelled' })).data;
      return await bare(method, path.replace('{operation}', operation?.id as string));
    },
    createApiKey: (method, path) => bare(method, path, { name: 'K', role: 'viewer' }),
    revokeApiKey: async (method, path) =>
      bare(method, path.replace('{api_key}', (await owner().apiKeys.create({ name: 'K', role: 'viewer' })).id)),
    rotateSigningKeys: (method, path) => bare(method, path),
    revokeSigningKey: async (method, path) => {
      const next = (await owner().signingKeys.all()).find((key) => key.state === 'next');
      return await bare(method, path.replace('{kid}', next?.kid as string));
    },
    runReconciler: async (method, path) => {
      await plane.installation.catalog.db.insertInto('reconcilers').values({ name: 'stuck-operations' }).execute();
      return await bare(method, path.replace('{name}', 'stuck-operations'));
    },
    runFsck: (method, path) => bare(method, path),
    pauseRollout: (method, path) => onRollout('running', method, path, {}),
    resumeRollout: (method, path) => onRollout('paused', method, path, {}),
    abortRollout: (method, path) => onRollout('halted', method, path, {}),
    approveRollout: (method, path) => onRollout('awaiting-approval', method, path),
    retryRolloutMembers: (method, path) => onRollout('halted', method, path, {}),
    skipRolloutMembers: (method, path) => onRollout('halted', method, path, { members: [tenant.slug], reason: 'r' }),
  };
  /** Whose entries and shapes are looked at where what they need is made; the file names the action. */
  const elsewhere: Record<string, string> = {
    createRelease: 'releases.test.ts',
    createRollout: 'rollouts.test.ts',
    createTargetGroup: 'rollouts.test.ts',
    updateTargetGroup: 'rollouts.test.ts',
    deleteTargetGroup: 'rollouts.test.ts',
    queryFleet: 'fleet-look.test.ts',
    sweepDrift: 'fleet-drift.test.ts',
    adoptDrift: 'fleet-drift.test.ts',
    dryRun: 'fleet-dry-run.test.ts',
    repairDrift: 'fleet-drift.test.ts',
  };

  let lanes = 0;
  /** In this state, with one failed member, in a lane of its own. */
  async function onRollout(state: string, method: string, path: string, body?: object): Promise<Response> {
    const { address } = plane.installation.catalog;
    const id = newId('rollout');
    await superuserSql(
      address,
      `insert into rollouts (id, kind, lane, statement, state, selection, policy, actor) values ($1, 'exec', $2, 'select 1', $3, '{}', $4, 'test')`,
      [id, `walk-${lanes++}`, state, JSON.stringify(rolloutPolicySchema.parse({}))],
    );
    await superuserSql(address, `insert into rollout_waves (rollout_id, position, name) values ($1, 0, 'all')`, [id]);
    await superuserSql(
      address,
      `insert into rollout_members (rollout_id, database_id, tenant_id, cluster_id, wave, state)
       select $1, id, tenant_id, cluster_id, 0, 'failed' from databases where tenant_id = $2 and state = 'claimed'`,
      [id, tenant.id],
    );
    return await bare(method, path.replace('{rollout}', id), body);
  }

  const changing = adminRoutes.filter(({ spec }) => spec.method !== 'get' && spec.unaudited === undefined);
  test('the walk knows every route that changes something', () => {
    const known = [...Object.keys(recipes), ...Object.keys(elsewhere)];
    expect(new Set(known)).toEqual(new Set(changing.map(({ spec }) => spec.operationId)));
    for (const { spec } of changing) {
      const file = elsewhere[spec.operationId];
      if (file !== undefined)
        expect(fs.readFileSync(path.join(import.meta.dirname, file), 'utf8'), file).toContain(`'${spec.audit}'`);
    }
  });

  test.each(Object.keys(recipes))(
    '%s: entry, caller, request id, and an answer of the declared shape',
    async (operationId) => {
      const spec = changing.find((route) => route.spec.operationId === operationId)?.spec;
      const recipe = recipes[operationId];
      if (spec === undefined || recipe === undefined) return expect.fail('no such route');
      const answer = await recipe(spec.method.toUpperCase(), spec.path);
      const body = await answer.json();
      const shape = spec.answers[answer.status]?.schema;
      expect(shape, `${answer.status} ${JSON.stringify(body)}`).toBeDefined();
      expect(shape?.safeParse(body).error).toBeUndefined();
      const entries = (await owner().audit.page({ action: spec.audit as string, limit: 200 })).data;
      const entry = entries.find((each) => each.request_id === answer.headers.get('x-request-id'));
      expect(entry, `an entry ${spec.audit}`).toMatchObject({
        actor: plane.keys.owner.id,
        actor_role: 'owner',
        action: spec.audit,
      });
    },
  );

  test('what is only read has the declared shape too', async () => {
    const ids: Record<string, string> = {
      '{tenant}': tenant.slug,
      '{cluster}': 'three',
      '{plan}': 'team',
      '{operation}': (await owner().operations.page({ limit: 1 })).data[0]?.id as string,
    };
    // What these name does not exist here; their shapes are looked at in releases.test.ts and rollouts.test.ts.
    const others = /\{(release|rollout|group)\}/;
    for (const { spec } of adminRoutes.filter(
      (route) =>
        route.spec.method === 'get' &&
        route.spec.answers[200]?.contentType === undefined &&
        !others.test(route.spec.path),
    )) {
      const path = spec.path.replaceAll(/\{\w+\}/g, (name) => ids[name] ?? expect.fail(`no example for ${name}`));
      const answer = await bare('GET', path);
      expect(answer.status, path).toBe(200);
      expect(spec.answers[200]?.schema?.safeParse(await answer.json()).error, path).toBeUndefined();
    }
  });
});

describe('health and documents', () => {
  test('readyz says which check fails, and stops saying yes when the process is told to stop', async () => {
    expect(await (await plane.request('GET', '/readyz')).json()).toEqual({
      status: 'ready',
      checks: { catalog: 'ok', schema: 'ok', queue: 'ok' },
    });
    await superuserSql(plane.installation.catalog.address, "update pgmigrations set name = name || '-x'");
    const behind = await plane.request('GET', '/readyz');
    expect([behind.status, await behind.json()]).toEqual([
      503,
      { status: 'not_ready', checks: { catalog: 'ok', schema: 'failed', queue: 'ok' } },
    ]);
    await superuserSql(plane.installation.catalog.address, "update pgmigrations set name = replace(name, '-x', '')");
    plane.stopping.abort();
    const stopping = await plane.request('GET', '/readyz');
    expect([stopping.status, ((await stopping.json()) as { status: string }).status]).toEqual([503, 'stopping']);
    expect((await plane.request('GET', '/livez')).status).toBe(200);
  });

  test('the pages load nothing from elsewhere, and every code has its section', async () => {
    const page = await plane.request('GET', '/docs');
    expect(page.headers.get('content-security-policy')).toMatch(/default-src 'none'; script-src 'self'/);
    const html = await page.text();
    const assets = [...html.matchAll(/(?:src|href)="([^"]+)"/g)]
      .map(([, url]) => url as string)
      .filter((url) => !url.startsWith('data:'));
    expect(assets).toHaveLength(3);
    for (const url of assets) expect((await plane.request('GET', url)).status, url).toBe(200);
    expect((await plane.request('GET', '/docs/assets/nothing.js')).status).toBe(404);
    const errors = await (await plane.request('GET', '/docs/errors')).text();
    for (const code of ['slug_taken', 'invalid_body', 'token_invalid', 'api_key_invalid'])
      expect(errors).toContain(`id="${code}"`);
    expect(errors).not.toMatch(/(src|href)="https?:/);
    expect(((await (await plane.request('GET', '/openapi.json')).json()) as { openapi: string }).openapi).toBe('3.1.0');
  });
});
