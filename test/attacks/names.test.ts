// Names that reach DDL: made from ids alone, checked here and again by every function on the cluster.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type DatabaseId, newId } from '../../catalog/ids.ts';
import { databaseIdOf, isDatabaseName, logins, namesOf } from '../../catalog/names.ts';
import { openSession, type Session } from '../../platform/postgres/session.ts';
import { tenantCluster } from '../support/clusters.ts';
import { installTestCluster, openTenantCluster, type TenantCluster } from '../support/tenant-cluster.ts';

/** PostgreSQL cuts longer names with no more than a notice. */
const nameBytesMax = 63;
const refusedName = 'ZF002';

let cluster: TenantCluster;
let provisioner: Session;

beforeAll(async () => {
  await installTestCluster(tenantCluster('a'));
  cluster = await openTenantCluster(tenantCluster('a'));
  provisioner = await openSession(cluster.provisioner, { applicationName: 'freehold-test-names' });
});

afterAll(async () => {
  await provisioner?.close();
  await cluster?.close();
});

const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.constantFrom(
    `t_${'0'.repeat(26)}"; drop database postgres; --`,
    `t_${'0'.repeat(26)}'`,
    `t_${'0'.repeat(26)}\\`,
    `t_${'0'.repeat(26)}\n`,
    `t_${'0'.repeat(26)}$user`,
    `t_${'0'.repeat(25)}\u0430`,
    `T_${'0'.repeat(26)}`,
    `t_8${'0'.repeat(25)}`,
    'postgres',
    'template1',
    'pg_x',
    '',
  ),
  // Near misses of our own form.
  fc
    .string({
      unit: fc.constantFrom(...'0123456789abcdefghjkmnpqrstvwxyzILOU"\'; \\$\n'),
      minLength: 24,
      maxLength: 28,
    })
    .map((s) => `t_${s}`),
);

test('N02 every name made from an id is shorter than the length at which PostgreSQL cuts, and no two are alike', () => {
  const ids = Array.from({ length: 2_000 }, () => newId('database'));
  const names = ids.flatMap((id) => {
    const { database, owner, logins: own } = namesOf(id);
    return [database, owner, ...logins.map((login) => own[login])];
  });
  expect(Math.max(...names.map((name) => Buffer.byteLength(name)))).toBeLessThan(nameBytesMax);
  expect(new Set(names.map((name) => name.slice(0, nameBytesMax))).size).toBe(names.length);
  for (const id of ids) expect(databaseIdOf(namesOf(id).database)).toBe(id);
});

test('N03 10,000 hostile strings: none passes as a name or as an id', () => {
  const ours = /^t_[0-7][0-9a-hjkmnp-tv-z]{25}$/;
  fc.assert(
    fc.property(hostile, (text) => {
      expect(isDatabaseName(text)).toBe(ours.test(text) && !text.endsWith('\n'));
      if (!isDatabaseName(text)) expect(() => namesOf(`dbs_${text}` as DatabaseId)).toThrow(TypeError);
    }),
    { numRuns: 10_000 },
  );
});

test('N03 hostile strings given to the functions on the cluster: each is refused by its form, before any dynamic SQL', async () => {
  const calls = [
    'select freehold.lend_owner($1, $2::text[])',
    'select freehold.set_open($1, $2::text[], true)',
    'select freehold.drop_roles($1, $2::text[])',
    'select freehold.terminate_sessions($1, $2::text[])',
    `select freehold.make_roles($1, $2::text[], '{}', '{}')`,
  ];
  const texts = fc.sample(
    hostile.filter((text) => !text.includes('\0') && !isDatabaseName(text) && text.isWellFormed()),
    200,
  );
  for (const [i, text] of texts.entries()) {
    const refused = await provisioner.query(calls[i % calls.length] as string, [text, ['x']]).then(
      () => 'accepted',
      (error: { sqlstate?: string }) => error.sqlstate,
    );
    expect({ text, refused }).toEqual({ text, refused: refusedName });
  }
});
