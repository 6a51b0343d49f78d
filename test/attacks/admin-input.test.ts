// What the admin API does with input that wants more than it may: slugs that look alike, members that are not offered, cursors that
// were touched, ids of the wrong kind.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId } from '../../catalog/ids.ts';
import { slugSchema } from '../../catalog/slug.ts';
import { makeCursor, openCursor } from '../../control-plane/api/cursor.ts';
import type { Tenant } from '../../control-plane/client.ts';
import { createSealer } from '../../platform/sealing.ts';
import { type ControlPlane, startControlPlane } from '../support/control-plane.ts';

let plane: ControlPlane;
let tenant: Tenant;
beforeAll(async () => {
  plane = await startControlPlane();
  const made = await plane
    .client('operator')
    .tenants.create({ slug: 'acme', name: 'Acme', region: 'here', plan: 'team' }, { waitSec: 30 });
  tenant = made.tenant;
});
afterAll(() => plane.close());

let count = 0;
const create = (body: unknown) =>
  plane.request('POST', '/v1/tenants', { as: 'operator', body, headers: { 'idempotency-key': `input-${++count}` } });

describe('N01 slugs: one canonical form, everything else is refused', () => {
  const bad = [
    'Acme',
    'ACME ',
    ' acme',
    'acme\u200b',
    '\u0430cme',
    'cafe\u0301',
    'caf\u00e9',
    '..',
    '.',
    '%2e',
    '%2e%2e',
    'xn--acme',
    'a--b',
    '😀😀😀',
    'a',
    'ab',
    'x'.repeat(64),
    '-acme',
    'acme-',
    '1acme',
    'ac_me',
    'pg_x',
    'pg-x',
    'template0',
    'template1',
    'postgres',
    'public',
    'admin',
    'acme\n',
    'acme\0',
    'acme/..',
    "acme'",
    'acme;drop',
    '',
    '__proto__',
    'tnt_01KAN3W2V8Q4R5S6T7V8W9X0YZ',
  ];

  test.each(bad)('N01 unit, API and database refuse %j', async (slug) => {
    expect(slugSchema.safeParse(slug).success).toBe(false);
    const answer = await create({ slug, name: 'N', region: 'here', plan: 'team' });
    const problem = (await answer.json()) as { errors: { pointer: string }[] };
    expect(problem).toMatchObject({ status: 400, code: 'invalid_body' });
    expect(problem.errors.map(({ pointer }) => pointer)).toContain('/slug');
  });

  test('N01 the constraint of the database refuses what is not of the form, whoever writes', async () => {
    const { db } = plane.installation.catalog;
    // Reserved words and xn-- are the API's to refuse: of the form, but not to be handed out.
    const formed = (slug: string) => /^[a-z][a-z0-9-]{1,61}[a-z0-9]$/.test(slug);
    const accepted: string[] = [];
    for (const slug of bad.filter((each) => !formed(each))) {
      const insert = db
        .insertInto('tenants')
        .values({
          id: newId('tenant'),
          slug,
          name: 'N',
          region: 'here',
          tier: 'shared',
          plan_id: 'team',
          state: 'failed',
        })
        .execute();
      await insert.then(
        () => accepted.push(slug),
        () => {},
      );
    }
    expect(accepted).toEqual([]);
  });

  test('N01 two spellings never make two tenants: the index is on the one form', async () => {
    const answer = await create({ slug: 'acme', name: 'N', region: 'here', plan: 'team' });
    expect(await answer.json()).toMatchObject({ code: 'slug_taken' });
  });
});

describe('A02 members that are not offered', () => {
  const patch = (body: string) =>
    plane.request('PATCH', `/v1/tenants/${tenant.id}`, {
      as: 'owner',
      body,
      headers: { 'if-match': `"${tenant.version}"` },
    });

  test.each([
    'cluster_id',
    'status',
    'state',
    'owner_role',
    'plan_id',
    'id',
    'created_at',
    'epoch',
    'generation',
    'version',
    'slug',
    'region',
    'tier',
    'database_id',
    'deleted_from',
    'purge_after',
    '__proto__',
    'constructor',
    'prototype',
    'toString',
  ])('A02 PATCH with %s is refused and names it', async (member) => {
    const answer = await patch(`{"name":"New","${member}":"x"}`);
    expect(await answer.json()).toMatchObject({
      status: 400,
      code: 'invalid_body',
      errors: [{ pointer: `/${member}`, message: 'is not a known member' }],
    });
  });

  test('A02 __proto__ inside labels too, and in a creation', async () => {
    expect(await (await patch('{"labels":{"__proto__":"x"}}')).json()).toMatchObject({
      code: 'invalid_body',
      errors: [{ pointer: '/labels/__proto__' }],
    });
    const body = '{"slug":"proto","name":"N","region":"here","plan":"team","__proto__":{"tier":"dedicated"}}';
    expect(await (await create(body)).json()).toMatchObject({
      code: 'invalid_body',
      errors: [{ pointer: '/__proto__' }],
    });
  });

  test('A02 nothing was changed, and a body where none is taken is refused', async () => {
    expect(await plane.client('viewer').tenants.get(tenant.id)).toEqual(tenant);
    const answer = await plane.request('POST', `/v1/tenants/${tenant.id}/suspend`, {
      as: 'operator',
      body: { force: true },
    });
    expect(await answer.json()).toMatchObject({ status: 400, code: 'invalid_body', errors: [{ pointer: '/force' }] });
  });
});

describe('A03 cursors', () => {
  let cursor: string;
  beforeAll(async () => {
    await create({ slug: 'second', name: 'N', region: 'here', plan: 'team' });
    cursor = (await plane.client('viewer').tenants.page({ limit: 1, region: 'here' })).next_cursor as string;
    expect(cursor).toEqual(expect.any(String));
  });
  const walk = (path: string, as: 'viewer' | 'owner' = 'viewer') => plane.request('GET', path, { as });
  const refused = async (answer: Response) =>
    expect(await answer.json()).toMatchObject({ status: 400, code: 'cursor_invalid' });

  test('A03 the cursor is good where it was made', async () => {
    expect((await walk(`/v1/tenants?limit=1&region=here&cursor=${cursor}`)).status).toBe(200);
  });

  test('A03 every edited character is noticed', async () => {
    for (let at = 0; at < cursor.length; at += 7) {
      const edited = cursor.slice(0, at) + (cursor[at] === 'A' ? 'B' : 'A') + cursor.slice(at + 1);
      await refused(await walk(`/v1/tenants?limit=1&region=here&cursor=${edited}`));
    }
    for (const text of ['x', '.', `${cursor}.`, cursor.split('.')[0], `.${cursor.split('.')[1]}`]) {
      await refused(await walk(`/v1/tenants?limit=1&region=here&cursor=${text}`));
    }
  });

  test('A03 another filter, another list, another caller', async () => {
    await refused(await walk(`/v1/tenants?limit=1&cursor=${cursor}`));
    await refused(await walk(`/v1/tenants?limit=1&region=here&state=active&cursor=${cursor}`));
    await refused(await walk(`/v1/clusters?region=here&cursor=${cursor}`));
    await refused(await walk(`/v1/tenants?limit=1&region=here&cursor=${cursor}`, 'owner'));
  });

  test('A03 another role, an expired one, one from before a key change', () => {
    const key = (id: string, fill: number) => ({ id, key: new Uint8Array(32).fill(fill) });
    const before = createSealer({ keys: [key('k1', 1)], currentKeyId: 'k1' });
    const after = createSealer({ keys: [key('k2', 2)], currentKeyId: 'k2' });
    let now = new Date('2026-01-01T00:00:00Z');
    const clock = { now: () => now, monotonicMs: () => 0 };
    const binding = { list: 'tenants', filter: {}, caller: { actor: 'key_1', role: 'viewer' as const } };
    const made = makeCursor({ sealer: before, clock }, binding, 'tnt_x');
    expect(openCursor({ sealer: before, clock }, binding, made)).toBe('tnt_x');
    const invalid = expect.objectContaining({ code: 'cursor_invalid' });
    const otherRole = { ...binding, caller: { actor: 'key_1', role: 'owner' as const } };
    expect(() => openCursor({ sealer: before, clock }, otherRole, made)).toThrow(invalid);
    expect(() => openCursor({ sealer: after, clock }, binding, made)).toThrow(invalid);
    now = new Date('2026-01-02T00:00:00Z');
    expect(() => openCursor({ sealer: before, clock }, binding, made)).toThrow(invalid);
  });
});

describe('A11 ids of the wrong kind', () => {
  test.each(['cluster', 'database', 'operation', 'apiKey'] as const)(
    'A11 delete, purge and suspend refuse a %s id',
    async (kind) => {
      const id = newId(kind);
      for (const [method, verb] of [
        ['DELETE', ''],
        ['POST', '/purge'],
        ['POST', '/suspend'],
      ] as const) {
        const answer = await plane.request(method, `/v1/tenants/${id}${verb}`, { as: 'owner' });
        expect(await answer.json()).toMatchObject({
          status: 400,
          code: 'invalid_path',
          errors: [{ pointer: '/tenant' }],
        });
      }
    },
  );

  test('A11 what destroys takes an id, never a slug; a deletion is soft and a purge needs it first', async () => {
    const bySlug = await plane.request('DELETE', '/v1/tenants/acme', { as: 'owner' });
    expect(await bySlug.json()).toMatchObject({ status: 400, code: 'invalid_path' });
    await expect(plane.client('owner').tenants.purge(tenant.id)).rejects.toMatchObject({ code: 'wrong_state' });
    const { tenant: deleted } = await plane.client('owner').tenants.delete(tenant.id, { waitSec: 30 });
    expect(deleted).toMatchObject({ state: 'deleted', database: { id: tenant.database?.id } });
    expect(Date.parse(deleted.purge_after as string)).toBeGreaterThan(Date.now() + 3_500_000);
  });

  test('A11 paths that try to leave the resource', async () => {
    for (const path of [
      '/v1/tenants/..%2fclusters',
      '/v1/tenants/%00',
      '/v1/tenants/%E0%A4%A',
      '/v1/tenants/tnt_%27--',
      `/v1/tenants/${'a'.repeat(5_000)}`,
    ]) {
      const answer = await plane.request('GET', path, { as: 'viewer' });
      expect(answer.status, path).toBeGreaterThanOrEqual(400);
      expect(answer.status, path).toBeLessThan(500);
      expect(answer.headers.get('content-type')).toBe('application/problem+json');
    }
  });
});
