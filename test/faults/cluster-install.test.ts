// Registration of a server: what is refused and with which words, and what a second installation or a crash changes.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId } from '../../catalog/ids.ts';
import { installCluster } from '../../control-plane/postgres/install-cluster.ts';
import { versionProblem } from '../../control-plane/postgres/minimum-versions.ts';
import { tenantHba } from '../../control-plane/postgres/tenant-hba.ts';
import { freePort, type PrivateCluster, startPrivateCluster } from '../support/clusters.ts';
import { loginStateOf } from '../support/sqlstate.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { installTestCluster, openTenantCluster, quietLog } from '../support/tenant-cluster.ts';

const mac = (text: string) => `${text}-of-these-tests`;

describe('a server that may hold tenants', () => {
  let server: PrivateCluster;
  beforeAll(async () => {
    server = await startPrivateCluster();
  });
  afterAll(() => server?.remove());

  test('is installed, and a second time nothing changes', async () => {
    await installTestCluster(server.address);
    const facts = () =>
      superuserSql(
        server.address,
        `select (select oid from pg_database where datname = 'freehold_template') as template,
           (select datacl::text from pg_database where datname = 'postgres') as acl,
           (select array_agg(datname order by datname) from pg_database)::text as databases,
           (select array_agg(rolname order by rolname) from pg_roles where rolname !~ '^pg_')::text as roles`,
      );
    const before = await facts();
    expect(before[0]?.databases).toBe('{freehold_admin,freehold_template,postgres,template0,template1}');
    expect(before[0]?.roles).toBe(
      '{freehold_migrators,freehold_pooler,freehold_provisioner,freehold_tenants,postgres}',
    );
    expect(before[0]?.acl).not.toContain('{=');
    await installTestCluster(server.address);
    expect(await facts()).toEqual(before);
  });

  test('a template left half built by a crash is removed, and three installers at once do no harm', async () => {
    await superuserSql(server.address, 'create database freehold_template_new_0123456789ab is_template true');
    await superuserSql(server.address, `comment on database freehold_template is 'freehold-template:old'`);
    await Promise.all([1, 2, 3].map(() => installTestCluster(server.address)));
    const databases = await superuserSql(server.address, `select datname from pg_database where datname ~ 'template_'`);
    expect(databases).toEqual([]);
    const template = await superuserSql(
      server.address,
      `select datistemplate, datallowconn, shobj_description(oid, 'pg_database') ~ '^freehold-template:[0-9a-f]{64}$' as stamped
       from pg_database where datname = 'freehold_template'`,
    );
    expect(template).toEqual([{ datistemplate: true, datallowconn: false, stamped: true }]);
  });

  test('installed by an older version, it gets the functions that are new since, as `clusters upgrade` does', async () => {
    await installTestCluster(server.address);
    const admin = { ...server.address, database: 'freehold_admin' };
    await superuserSql(admin, 'drop function freehold.blockers_of(text, integer)');
    await superuserSql(admin, "comment on schema freehold is 'freehold-functions:older'");
    await installTestCluster(server.address);
    const may = `select has_function_privilege('freehold_provisioner', 'freehold.blockers_of(text, integer)', 'execute') as may`;
    expect(await superuserSql(admin, may)).toEqual([{ may: true }]);
  });

  test('belongs to one installation', async () => {
    await installTestCluster(server.address);
    const other = installCluster({ address: server.address, mac, log: quietLog });
    await expect(other).rejects.toMatchObject({
      code: 'cluster_unsuitable',
      extra: {
        problems: ['freehold_provisioner', 'freehold_pooler', 'freehold_tenants', 'freehold_migrators'].map((role) =>
          expect.stringMatching(new RegExp(`${role} exists and was not made by this installation`)),
        ),
      },
    });
  });

  test('is refused while its settings are not safe, with every reason at once', async () => {
    const sql = (text: string) => superuserSql(server.address, text);
    await sql(`create role weak login`);
    await sql(`update pg_authid set rolpassword = 'md5${'0'.repeat(32)}' where rolname = 'weak'`);
    await sql(`alter system set password_encryption = 'md5'`);
    await sql('select pg_reload_conf()');
    await expect.poll(async () => (await sql('show password_encryption'))[0]?.password_encryption).toBe('md5');
    try {
      const attempt = installCluster({ address: server.address, mac, log: quietLog, connectionBudget: 10_000 });
      const fault = await attempt.then(
        () => undefined,
        (error) => error,
      );
      expect(fault).toMatchObject({ code: 'cluster_unsuitable' });
      expect(fault.extra.problems).toEqual([
        expect.stringMatching(/^password_encryption is md5/),
        expect.stringMatching(/^max_connections is 400: .* raise it to at least 100\d\d\.$/),
        expect.stringMatching(/^Role weak has an md5 password/),
      ]);
    } finally {
      await sql('alter system reset password_encryption');
      await sql('select pg_reload_conf()');
      await sql('drop role weak');
    }
  });

  test('needs a superuser, and an address that answers', async () => {
    const password = randomBytes(8).toString('hex');
    await superuserSql(server.address, `create role plain login createdb createrole password '${password}'`);
    await superuserSql(server.address, 'grant connect on database postgres to plain');
    const plain = installCluster({ address: { ...server.address, user: 'plain', password }, mac, log: quietLog });
    await expect(plain).rejects.toMatchObject({
      code: 'cluster_unsuitable',
      message: expect.stringContaining('not a superuser'),
    });
    const wrong = installCluster({ address: { ...server.address, password: 'wrong' }, mac, log: quietLog });
    await expect(wrong).rejects.toMatchObject({ code: 'cluster_unreachable' });
    const nobody = installCluster({ address: { ...server.address, port: await freePort() }, mac, log: quietLog });
    await expect(nobody).rejects.toMatchObject({ code: 'cluster_unreachable' });
    await superuserSql(server.address, 'drop owned by plain; drop role plain');
  });
});

test('a server with trust, peer or clear-text logins or prepared transactions is refused, line by line', async () => {
  const server = await startPrivateCluster({
    hba: 'host all all 127.0.0.1/32 scram-sha-256\nhost all all 10.0.0.0/8 trust\nlocal all postgres peer\nhost all someone 10.0.0.0/8 password\n',
    parameters: { max_prepared_transactions: '5' },
  });
  try {
    const fault = await installCluster({ address: server.address, mac, log: quietLog }).then(
      () => undefined,
      (error) => error,
    );
    expect(fault.extra.problems).toEqual([
      expect.stringMatching(/^max_prepared_transactions is 5: set it to 0/),
      expect.stringMatching(/^pg_hba.conf line \d+ lets all in by trust \(host\)/),
      expect.stringMatching(/^pg_hba.conf line \d+ lets someone in by password/),
    ]);
    const left = await superuserSql(server.address, `select rolname from pg_roles where rolname ~ '^freehold'`);
    expect(left).toEqual([]); // refused before anything was made
  } finally {
    await server.remove();
  }
});

test('P08 a server killed in the middle of CREATE DATABASE comes back, and the same act completes', async () => {
  const server = await startPrivateCluster({ hba: tenantHba({ networks: ['127.0.0.1/32'] }) });
  try {
    const cluster = await openTenantCluster(server.address);
    const id = newId('database');
    await cluster.makeRoles(id);
    const dying = cluster.admin.createDatabase(id).then(
      () => 'done',
      () => 'lost',
    );
    await server.kill();
    expect(['done', 'lost']).toContain(await dying);
    await server.start();
    await cluster.admin.createDatabase(id);
    expect(await cluster.admin.probeDatabase(id)).toBe('closed');
    await cluster.admin.openDatabase(id);
    expect(await loginStateOf(cluster.addressOf(id, 'app_a'))).toBe('00000');
    const { roles } = await cluster.admin.inventory();
    expect(roles.find((role) => role.name === 'freehold_provisioner')?.memberOf).toEqual([]);
    await cluster.close();
  } finally {
    await server.remove();
  }
});

test('P08 directories that no database accounts for are told with their size', async () => {
  const server = await startPrivateCluster();
  try {
    const cluster = await openTenantCluster(server.address);
    const fs = await import('node:fs');
    const path = await import('node:path');
    const orphan = path.join(server.dataDir, 'base', '999999');
    fs.mkdirSync(orphan);
    fs.writeFileSync(path.join(orphan, '1'), Buffer.alloc(12_345));
    const { uid, gid } = fs.statSync(path.join(server.dataDir, 'base'));
    fs.chownSync(orphan, uid, gid);
    const { orphanDirectories } = await cluster.admin.inventory();
    expect(orphanDirectories).toEqual([{ oid: '999999', bytes: 12_345, modifiedAt: expect.any(Date) }]);
    expect(fs.existsSync(orphan)).toBe(true);
    await cluster.close();
  } finally {
    await server.remove();
  }
});

test('minimum versions', () => {
  expect([150_018, 160_013, 170_009, 180_003].map(versionProblem)).toEqual([
    expect.stringContaining('version 16 or newer'),
    expect.stringContaining('16.14 or newer'),
    expect.stringContaining('17.10 or newer'),
    expect.stringContaining('18.4 or newer'),
  ]);
  expect([160_014, 170_010, 180_004, 190_000].map(versionProblem)).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});
