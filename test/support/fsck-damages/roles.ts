// Owns one damage for every finding about roles.
import { newId } from '../../../catalog/ids.ts';
import { type Login, logins, namesOf, secretContext } from '../../../catalog/names.ts';
import { stockLimits } from '../../../control-plane/operations/database-limits.ts';
import { scramVerifier } from '../../../platform/postgres/scram.ts';
import type { FsckHouse } from '../fsck-house.ts';
import { cluster, type Damage, type Row } from './damage.ts';

const strange = 't_01jd0000000000000000000000';

export const damagesToRoles = {
  role_missing: (house) => ({
    damage: async () => {
      await house.installation.connections.databases.forget(house.warm.id);
      await house.onCluster(house.warm, `drop role ${house.warm.name}_mig`);
    },
    repair: () => makeRolesAgain(house, house.warm),
    object: new RegExp(`^${house.warm.name}_mig$`),
  }),
  role_without_row: (house) => {
    const id = newId('database');
    const admin = house.installation.connections.clusters.of(house.alpha.cluster_id);
    return {
      damage: () =>
        admin.makeRoles(
          id,
          verifiersOf(() => 'only-in-tests'),
          stockLimits,
        ),
      repair: () => admin.dropRoles(id),
      object: new RegExp(`^${namesOf(id).database}(_own|_mig|_app_a|_app_b|_ro)?$`),
    };
  },
  role_foreign: (house) =>
    cluster(house, house.alpha, `${strange}_own`, `create role ${strange}_own`, `drop role ${strange}_own`),
  role_changed: (house) => {
    const role = `${house.alpha.name}_app_a`;
    return cluster(
      house,
      house.alpha,
      role,
      `alter role ${role} bypassrls createdb`,
      `alter role ${role} nobypassrls nocreatedb`,
    );
  },
  role_connection_limit: (house) => {
    const role = `${house.alpha.name}_app_a`;
    return cluster(
      house,
      house.alpha,
      role,
      `alter role ${role} connection limit -1`,
      `alter role ${role} connection limit ${stockLimits.loginConnectionsMax}`,
    );
  },
  // D08: as the login itself would do it, in the hidden place too.
  role_setting: (house) => {
    const role = `${house.alpha.name}_app_a`;
    const within = `in database ${house.alpha.name}`;
    const timeout = `alter role ${role} set statement_timeout = ${stockLimits.statementTimeoutMs}`;
    return cluster(
      house,
      house.alpha,
      role,
      `alter role ${role} set statement_timeout = 0; alter role ${role} ${within} set search_path = pg_temp`,
      `${timeout}; alter role ${role} ${within} reset all`,
    );
  },
  role_password: (house) => ({
    damage: () => house.onCluster(house.alpha, `alter role ${house.alpha.name}_app_b password 'only-in-tests'`),
    repair: () => makeRolesAgain(house, house.alpha),
    object: new RegExp(`^${house.alpha.name}_app_b$`),
  }),
  membership_missing: (house) => {
    const role = `${house.alpha.name}_app_b`;
    return cluster(
      house,
      house.alpha,
      role,
      `revoke freehold_tenants from ${role}`,
      `grant freehold_tenants to ${role} with inherit false, set false`,
    );
  },
  membership_extra: (house) => {
    const role = `${house.alpha.name}_app_b`;
    return cluster(
      house,
      house.alpha,
      role,
      `grant pg_read_all_data to ${role}`,
      `revoke pg_read_all_data from ${role}`,
    );
  },
} as const satisfies Record<string, (house: FsckHouse) => Damage>;

function verifiersOf(passwordOf: (login: Login) => string): Record<Login, string> {
  return Object.fromEntries(logins.map((login) => [login, scramVerifier(passwordOf(login))])) as Record<Login, string>;
}

/** With the passwords of the catalog. */
async function makeRolesAgain(house: FsckHouse, { id, cluster_id }: Row): Promise<void> {
  const rows = await house.inCatalog(`select login, sealed from database_secrets where database_id = '${id}'`);
  const sealed = new Map(rows.map((row) => [row.login, String(row.sealed)]));
  const verifiers = verifiersOf((login) =>
    house.installation.sealer.open(sealed.get(login) ?? '', secretContext(id, login)),
  );
  await house.installation.connections.clusters.of(cluster_id).makeRoles(id, verifiers, stockLimits);
}
