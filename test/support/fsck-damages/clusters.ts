// Owns one damage for every finding about a cluster as a whole.
import fs from 'node:fs';
import path from 'node:path';
import { namesOf } from '../../../catalog/names.ts';
import type { FsckHouse } from '../fsck-house.ts';
import { superuserSql } from '../superuser-sql.ts';
import { cluster, type Damage } from './damage.ts';

const template = 'freehold_template';

export const damagesToClusters = {
  cluster_unreachable: (house) => ({
    damage: () => house.installation.clusters[1].server.stop('immediate'),
    repair: () => house.installation.clusters[1].server.start(),
    object: /^two$/,
  }),
  functions_outdated: (house) => {
    let stamp: unknown;
    const admin = { ...house.clusterOf(house.alpha).server.address, database: 'freehold_admin' };
    return {
      damage: async () => {
        [{ stamp } = { stamp: '' }] = await superuserSql(
          admin,
          `select obj_description('freehold'::regnamespace, 'pg_namespace') as stamp`,
        );
        await superuserSql(admin, `comment on schema freehold is 'freehold-functions:of another version'`);
      },
      repair: () => superuserSql(admin, `comment on schema freehold is '${String(stamp)}'`),
      object: /^freehold_admin$/,
    };
  },
  template_missing: (house) =>
    cluster(
      house,
      house.alpha,
      template,
      `alter database ${template} rename to kept`,
      `alter database kept rename to ${template}`,
    ),
  template_unprotected: (house) =>
    cluster(
      house,
      house.alpha,
      template,
      `alter database ${template} is_template false`,
      `alter database ${template} is_template true`,
    ),
  template_outdated: (house) => {
    let stamp: unknown;
    const address = house.clusterOf(house.alpha).server.address;
    return {
      damage: async () => {
        [{ stamp } = { stamp: '' }] = await superuserSql(
          address,
          `select shobj_description(oid, 'pg_database') as stamp from pg_database where datname = '${template}'`,
        );
        await superuserSql(address, `comment on database ${template} is 'freehold-template:of another version'`);
      },
      repair: () => superuserSql(address, `comment on database ${template} is '${String(stamp)}'`),
      object: /^freehold_template$/,
    };
  },
  public_may_connect: (house) =>
    cluster(house, house.alpha, 'loose', 'create database loose template template0', 'drop database loose'),
  cluster_role_missing: (house) => ({
    damage: () => house.onCluster(house.alpha, 'drop role freehold_tenants'),
    repair: async () => {
      const rows = [house.alpha, house.beta, house.closed, house.warm, house.warmTwo];
      const members = rows
        .filter((row) => row.cluster_id === house.alpha.cluster_id)
        .flatMap((row) => Object.values(namesOf(row.id).logins));
      await house.onCluster(
        house.alpha,
        `create role freehold_tenants; grant freehold_tenants to ${members.join(', ')} with inherit false, set false`,
      );
    },
    object: /^freehold_tenants$/,
  }),
  cluster_role_changed: (house) =>
    cluster(
      house,
      house.alpha,
      'freehold_provisioner',
      'alter role freehold_provisioner createrole',
      'alter role freehold_provisioner nocreaterole',
    ),
  cluster_role_is_member: (house) =>
    cluster(
      house,
      house.alpha,
      'freehold_provisioner',
      `grant ${house.alpha.name}_own to freehold_provisioner`,
      `revoke ${house.alpha.name}_own from freehold_provisioner`,
    ),
  outsider_is_member: (house) =>
    cluster(
      house,
      house.alpha,
      'outsider',
      `create role outsider; grant ${house.alpha.name} to outsider`,
      'drop role outsider',
    ),
  orphan_directory: (house) => {
    const folder = path.join(house.installation.clusters[0].server.dataDir, 'base/4242424');
    return {
      damage: async () => {
        fs.mkdirSync(folder);
        fs.writeFileSync(path.join(folder, '1259'), Buffer.alloc(8192));
        // Older than any transaction that may be at work.
        fs.utimesSync(folder, new Date(0), new Date(0));
      },
      repair: async () => fs.rmSync(folder, { recursive: true }),
      object: /^base\/4242424$/,
    };
  },
} as const satisfies Record<string, (house: FsckHouse) => Damage>;
