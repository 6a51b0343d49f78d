// The upgrade of a registered cluster over HTTP: what drifted is mended, nobody who is connected notices, and a server that is not
// the cluster's is refused.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FsckReportView } from '../../control-plane/client.ts';
import { installCluster } from '../../control-plane/postgres/install-cluster.ts';
import { type PrivateCluster, startPrivateCluster } from '../support/clusters.ts';
import { type ControlPlane, startControlPlane } from '../support/control-plane.ts';
import { testLog } from '../support/installation.ts';
import { superuserSql } from '../support/superuser-sql.ts';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
  const body = { slug: 'holder', name: 'H', region: 'here', plan: 'team' };
  await plane.client('operator').tenants.create(body, { waitSec: 30 });
});
afterAll(() => plane.close());

const clusterOne = () => plane.installation.clusters[0];
const superuserOf = ({ address: { host, port, user, password } }: PrivateCluster) => ({ host, port, user, password });
const onServer = (sql: string, database = 'postgres') =>
  superuserSql({ ...clusterOne().server.address, database }, sql);
const found = ({ findings }: FsckReportView) =>
  new Map(findings.map((each) => [each.code, each.next] as const).sort(([a], [b]) => (a < b ? -1 : 1)));

test('drifted functions, template and roles: fsck names the command, the installation mends them, and it is clean', async () => {
  const dba = plane.client('dba');
  const { id, name, server } = clusterOne();
  const admin = plane.installation.connections.clusters.of(id);
  await admin.ping(); // a session of the provisioner from before
  await onServer(
    `create or replace function freehold.count_sessions(name text) returns integer language sql as 'select 0';
     comment on schema freehold is 'freehold-functions:of another version'`,
    'freehold_admin',
  );
  await onServer(`comment on database freehold_template is 'freehold-template:of another version'`);
  await onServer('alter role freehold_migrators connection limit 5 noinherit');
  await superuserSql(
    plane.installation.catalog.address,
    `update clusters set server_version_num = 1, capabilities = '{}'`,
  );

  const report = await dba.fsck();
  const codes = ['cluster_role_changed', 'functions_outdated', 'template_outdated'];
  expect([...found(report).keys()]).toEqual(codes);
  for (const next of found(report).values())
    expect(next).toContain(`freehold clusters upgrade ${name} --superuser-url -`);

  const before = await dba.clusters.get(id);
  const after = await dba.clusters.install(id, { superuser: superuserOf(server) });
  expect(after).toMatchObject({ problems: expect.any(Array), version: before.version + 1 });
  expect(after.server_version_num).toBeGreaterThan(160_000);
  expect(after.capabilities).toMatchObject({ superuserAtInstall: true });
  const { problems: _, server_version_num: _n, capabilities: _c, version: _v, updated_at: _u, ...same } = after;
  expect(before).toMatchObject(same);

  expect((await dba.fsck()).findings).toEqual([]);
  await expect(admin.ping()).resolves.toMatchObject({ sessions: expect.any(Number) });
  await plane.installation.connections.clusters.forget(id); // a new login has the password of before
  await expect(admin.ping()).resolves.toMatchObject({ sessions: expect.any(Number) });
  const { tenants } = plane.client('operator');
  await tenants.create({ slug: 'later', name: 'L', region: 'here', plan: 'team' }, { waitSec: 30 });
  const audit = await dba.audit.page({ action: 'cluster.install' });
  expect(audit.data).toMatchObject([{ actor: plane.keys.dba.id, target_id: id }]);
  expect(JSON.stringify([after, audit])).not.toContain(server.address.password);
});

test('again, where nothing has drifted: nothing is made anew', async () => {
  const { id, server } = clusterOne();
  const made = async () => [
    await onServer(`select oid::text from pg_database where datname = 'freehold_template'`),
    await onServer(`select oid::text from pg_namespace where nspname = 'freehold'`, 'freehold_admin'),
  ];
  const before = await made();
  const { host, port, user, password } = server.address;
  await plane
    .client('owner')
    .clusters.install(id, { superuser: { url: `postgres://${user}:${password}@${host}:${port}/postgres` } });
  expect(await made()).toEqual(before);
});

test('the functions are gone altogether: the cluster cannot be read, and is whole again', async () => {
  const { id, server } = clusterOne();
  await onServer('drop schema freehold cascade', 'freehold_admin');
  const report = await plane.client('dba').fsck();
  expect([...found(report)]).toEqual([['cluster_unreachable', expect.stringContaining('clusters upgrade one ')]]);
  await plane.client('dba').clusters.install(id, { superuser: superuserOf(server) });
  expect((await plane.client('dba').fsck()).findings).toEqual([]);
});

test('a server of another installation is refused and left alone', async () => {
  const stranger = await startPrivateCluster();
  const { db } = plane.installation.catalog;
  const { id } = clusterOne();
  const row = await db.selectFrom('clusters').select(['host', 'port']).where('id', '=', id).executeTakeFirstOrThrow();
  try {
    await installCluster({ address: stranger.address, mac: () => 'of another installation', log: testLog() });
    const secret = () => superuserSql(stranger.address, 'select rolname, rolpassword from pg_authid order by 1');
    const before = await secret();
    // The name of the cluster leads to it now.
    const { host, port } = stranger.address;
    await db.updateTable('clusters').set({ host, port }).where('id', '=', id).execute();
    await expect(plane.client('dba').clusters.install(id, { superuser: superuserOf(stranger) })).rejects.toMatchObject({
      code: 'cluster_unsuitable',
      extra: { problems: expect.arrayContaining([expect.stringMatching(/was not made by this installation/)]) },
    });
    expect(await secret()).toEqual(before);
  } finally {
    await db.updateTable('clusters').set(row).where('id', '=', id).execute();
    await stranger.remove();
  }
});

test('a URL that names another server, even one of ours, is refused before it is asked anything', async () => {
  const [one, two] = plane.installation.clusters;
  const secret = () => superuserSql(two.server.address, 'select rolname, rolpassword from pg_authid order by 1');
  const before = await secret();
  await expect(
    plane.client('dba').clusters.install(one.id, { superuser: superuserOf(two.server) }),
  ).rejects.toMatchObject({
    code: 'cluster_unsuitable',
    extra: { problems: [expect.stringMatching(/another host or port/)] },
  });
  expect(await secret()).toEqual(before);
});

test('an unreachable server, a wrong password, an unknown cluster, and who may not', async () => {
  const [, two] = plane.installation.clusters;
  const dba = plane.client('dba');
  const superuser = superuserOf(two.server);
  await expect(dba.clusters.install(two.id, { superuser: { ...superuser, password: 'wr0ng' } })).rejects.toMatchObject({
    code: 'cluster_unreachable',
    status: 503,
  });
  await two.server.stop('immediate');
  await expect(dba.clusters.install(two.id, { superuser })).rejects.toMatchObject({ code: 'cluster_unreachable' });
  await two.server.start();
  await expect(dba.clusters.install('cls_01JD0000000000000000000000', { superuser })).rejects.toMatchObject({
    code: 'cluster_not_found',
  });
  await expect(plane.client('operator').clusters.install(two.id, { superuser })).rejects.toMatchObject({
    code: 'role_forbidden',
  });
  await dba.clusters.install(two.id, { superuser });
});
