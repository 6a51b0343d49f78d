// Owns one damage for every finding about databases on a cluster, from outside.
import { type DatabaseId, newId } from '../../../catalog/ids.ts';
import { namesOf } from '../../../catalog/names.ts';
import { markOf } from '../../../control-plane/postgres/cluster-marks.ts';
import type { FsckHouse } from '../fsck-house.ts';
import { superuserSql } from '../superuser-sql.ts';
import { cluster, type Damage } from './damage.ts';

const strange = 't_01jd0000000000000000000000';

export const damagesToDatabases = {
  database_missing: (house) =>
    cluster(
      house,
      house.closed,
      house.closed.name,
      `alter database ${house.closed.name} rename to kept`,
      `alter database kept rename to ${house.closed.name}`,
    ),
  database_without_row: (house) => markedDatabase(house, newId('database'), house.installation.clusters[0].id),
  database_on_wrong_cluster: (house) => markedDatabase(house, house.alpha.id, house.otherThan(house.alpha).id),
  database_foreign: (house) =>
    cluster(house, house.alpha, strange, `create database ${strange} template template0`, `drop database ${strange}`),
  database_unmarked: (house) => {
    const { name, id } = house.warm;
    const mark = markOf(id, house.installation.sealer.mac('cluster-mark', id));
    return cluster(
      house,
      house.warm,
      name,
      `comment on database ${name} is null`,
      `comment on database ${name} is '${mark}'`,
    );
  },
  database_invalid: (house) => {
    const limit = (value: number) =>
      `update pg_database set datconnlimit = ${value} where datname = '${house.warm.name}'`;
    return cluster(house, house.warm, house.warm.name, limit(-2), limit(-1));
  },
  database_wrong_owner: (house) => {
    const { name } = house.warm;
    const { user } = house.clusterOf(house.warm).server.address;
    return cluster(
      house,
      house.warm,
      name,
      `alter database ${name} owner to ${user}`,
      `alter database ${name} owner to ${name}_own`,
    );
  },
  database_open: (house) => {
    const { name } = house.closed;
    return cluster(
      house,
      house.closed,
      name,
      `alter database ${name} allow_connections true`,
      `alter database ${name} allow_connections false`,
    );
  },
  database_closed: (house) => {
    const { name } = house.warm;
    return cluster(
      house,
      house.warm,
      name,
      `alter database ${name} allow_connections false`,
      `alter database ${name} allow_connections true`,
    );
  },
  database_is_template: (house) => {
    const { name } = house.warm;
    return cluster(
      house,
      house.warm,
      name,
      `alter database ${name} is_template true`,
      `alter database ${name} is_template false`,
    );
  },
  database_connection_limit: (house) => {
    const { name } = house.warm;
    return cluster(
      house,
      house.warm,
      name,
      `alter database ${name} connection limit 7`,
      `alter database ${name} connection limit -1`,
    );
  },
  database_setting: (house) => {
    const { name } = house.warm;
    return cluster(
      house,
      house.warm,
      name,
      `alter database ${name} set work_mem = '1GB'`,
      `alter database ${name} reset all`,
    );
  },
  database_grant_missing: (house) => {
    const { name } = house.closed;
    return cluster(
      house,
      house.closed,
      name,
      `revoke connect on database ${name} from ${name}`,
      `grant connect on database ${name} to ${name}`,
    );
  },
  database_grant_extra: (house) => {
    const { name } = house.warm;
    return cluster(
      house,
      house.warm,
      name,
      `grant connect on database ${name} to public`,
      `revoke connect on database ${name} from public`,
    );
  },
} as const satisfies Record<string, (house: FsckHouse) => Damage>;

function markedDatabase(house: FsckHouse, id: DatabaseId, clusterId: string): Damage {
  const { database } = namesOf(id);
  const mark = markOf(id, house.installation.sealer.mac('cluster-mark', id));
  const server = house.installation.clusters.find((each) => each.id === clusterId)?.server;
  if (server === undefined) throw new Error('no such cluster');
  return {
    damage: async () => {
      await superuserSql(server.address, `create database ${database} template template0`);
      await superuserSql(server.address, `comment on database ${database} is '${mark}'`);
    },
    repair: () => superuserSql(server.address, `drop database ${database}`),
    object: new RegExp(`^${database}$`),
  };
}
