// Owns what fsck says of the inside of a database: whose it is, which migrations it has, who owns and who may use what is in
// it. What a migration gave or took is the same in every database of its version; such findings are dropped at the end.
import type { CatalogSnapshot, SnapshotDatabase } from '../../catalog/catalog-snapshot.ts';
import type { DatabaseId } from '../../catalog/ids.ts';
import { type DatabaseNames, namesOf } from '../../catalog/names.ts';
import type { LaneVersions } from '../../catalog/schema.ts';
import type { DatabaseInspection, InspectedObject, ObjectGrant } from '../postgres/inspect-database.ts';
import { finding } from './finding.ts';
import type { FindingCode } from './findings.ts';
import type { FsckFinding } from './report.ts';

/** Where the product's migrations make their objects. */
const productSchema = 'public';

type Found = { code: FindingCode; object?: string; message: string };
export type Inside = { lanes: LaneVersions; findings: FsckFinding[] };

export function checkInside(row: SnapshotDatabase, inspection: DatabaseInspection): Inside {
  const names = namesOf(row.id);
  const found = [
    ...checkIdentity(row, inspection),
    ...checkLanes(row, inspection),
    ...inspection.objects.flatMap((object) => checkObject(names, object, inspection.bookkeeping)),
    ...checkDefaultRights(names, inspection),
    ...checkHardening(names, inspection),
  ];
  const at = { clusterId: row.cluster_id, databaseId: row.id, tenantId: row.tenant_id };
  return {
    lanes: inspection.lanes,
    findings: found.map(({ code, object = row.name, message }) =>
      finding(code, { ...at, object: object === row.name ? object : `${row.name}: ${object}`, message }),
    ),
  };
}

function checkIdentity(row: SnapshotDatabase, { identity }: DatabaseInspection): Found[] {
  if (identity === undefined)
    return [{ code: 'identity_missing', message: `${row.name} does not say which database it is.` }];
  if (identity.databaseId !== row.id) {
    return [{ code: 'identity_wrong_database', message: `${row.name} says that it is ${identity.databaseId}.` }];
  }
  if (identity.tenantId === row.tenant_id) return [];
  const message = `${row.name} holds ${identity.tenantId ?? 'nobody'}; the catalog says ${row.tenant_id ?? 'nobody'}.`;
  return [{ code: 'identity_wrong_tenant', message }];
}

function checkLanes(row: SnapshotDatabase, { lanes }: DatabaseInspection): Found[] {
  const differing = [...new Set([...Object.keys(lanes), ...Object.keys(row.lanes)])].filter(
    (lane) => lanes[lane]?.version !== row.lanes[lane]?.version || lanes[lane]?.hash !== row.lanes[lane]?.hash,
  );
  return differing.map((lane) => {
    const [inside, believed] = [lanes[lane]?.version ?? 'nothing', row.lanes[lane]?.version ?? 'nothing'];
    const what = inside === believed ? `${inside} from another text than` : `${inside}, not`;
    return {
      code: 'lanes_differ',
      object: `lane ${lane}`,
      message: `${row.name} has ${what} ${believed} in the lane ${lane}.`,
    };
  });
}

const readable: ReadonlySet<string> = new Set(['freehold.identity', 'freehold.ledger', 'freehold.bookkeeping']);

/** As the default privileges of migrations/core give them. A vendor's other schemas are their own business. */
function expectedGrants(
  { logins }: DatabaseNames,
  { kind, schema, name }: InspectedObject,
  bookkeeping: string,
): ObjectGrant[] | undefined {
  const readers = [logins.app_a, logins.app_b, logins.ro];
  const all = (privileges: string[]) => readers.map((grantee) => ({ grantee, privileges }));
  if (schema === 'freehold') {
    if (kind === 'schema') return all(['USAGE']);
    return readable.has(name) ? all(['SELECT']) : [];
  }
  if (schema !== 'public') return undefined;
  // node-pg-migrate's table and its sequence, which keeps its name when the table is moved (D18).
  if (['public.pgmigrations', bookkeeping].some((table) => name === table || name === `${table}_id_seq`)) return [];
  if (kind === 'schema') return all(['USAGE']);
  if (kind === 'function') return all(['EXECUTE']);
  const app = kind === 'table' ? ['DELETE', 'INSERT', 'SELECT', 'UPDATE'] : ['SELECT', 'USAGE'];
  return kind === 'table' || kind === 'sequence'
    ? readers.map((grantee) => ({ grantee, privileges: grantee === logins.ro ? ['SELECT'] : app }))
    : undefined;
}

function checkObject(names: DatabaseNames, object: InspectedObject, bookkeeping: string): Found[] {
  const { kind, name, owner, grants } = object;
  const found: Found[] = [];
  const say = (code: FindingCode, message: string) => found.push({ code, object: name, message });
  if (owner !== names.owner)
    say('object_wrong_owner', `The ${kind} ${name} belongs to ${owner}, not to ${names.owner}.`);
  const toPublic = grants.find((grant) => grant.grantee === 'PUBLIC')?.privileges ?? [];
  if (toPublic.length > 0)
    say('object_public', `Everybody who is in the database has ${toPublic.join(', ')} on the ${kind} ${name}.`);

  const expected = expectedGrants(names, object, bookkeeping);
  const ofDatabase: string[] = [names.database, names.owner, ...Object.values(names.logins)];
  const known = new Map(expected?.map((grant) => [grant.grantee, grant.privileges]));
  for (const { grantee, privileges } of grants) {
    if (grantee === 'PUBLIC' || grantee === names.owner) continue;
    // Where there is no rule, only roles of other databases are strangers.
    const allowed = expected === undefined && ofDatabase.includes(grantee) ? privileges : (known.get(grantee) ?? []);
    const extra = privileges.filter((privilege) => !allowed.includes(privilege));
    if (extra.length > 0) say('object_grant_extra', `${grantee} has ${extra.join(', ')} on the ${kind} ${name}.`);
  }
  for (const { grantee, privileges } of expected ?? []) {
    const held = grants.find((grant) => grant.grantee === grantee)?.privileges ?? [];
    const missing = privileges.filter((privilege) => !held.includes(privilege));
    if (missing.length > 0)
      say('object_grant_missing', `${grantee} lacks ${missing.join(', ')} on the ${kind} ${name}.`);
  }
  return found;
}

function checkDefaultRights(names: DatabaseNames, { defaultRights }: DatabaseInspection): Found[] {
  const { app_a, app_b, ro } = names.logins;
  const write = 'DELETE,INSERT,SELECT,UPDATE';
  const expected = [
    `${names.owner} everywhere function: `,
    `${names.owner} ${productSchema} function: ${app_a}=EXECUTE ${app_b}=EXECUTE ${ro}=EXECUTE`,
    `${names.owner} ${productSchema} sequence: ${app_a}=SELECT,USAGE ${app_b}=SELECT,USAGE ${ro}=SELECT`,
    `${names.owner} ${productSchema} table: ${app_a}=${write} ${app_b}=${write} ${ro}=SELECT`,
  ];
  const there = defaultRights.map(({ role, schema, kind, grants }) => {
    const rights = grants.map((grant) => `${grant.grantee}=${grant.privileges.join(',')}`).join(' ');
    return `${role} ${schema ?? 'everywhere'} ${kind}: ${rights}`;
  });
  const missing = expected.filter((line) => !there.includes(line)).map((line) => `lacks "${line.trim()}"`);
  const extra = there.filter((line) => !expected.includes(line)).map((line) => `has "${line.trim()}"`);
  if (missing.length + extra.length === 0) return [];
  const message = `The rights of what is made next in ${names.database}: ${[...missing, ...extra].join('; ')}.`;
  return [{ code: 'default_rights', object: 'default privileges', message }];
}

function checkHardening(names: DatabaseNames, { openToPublic }: DatabaseInspection): Found[] {
  return openToPublic.map((what) => ({
    code: 'hardening_missing',
    object: what,
    message: `Everybody who is in ${names.database} may use ${what}.`,
  }));
}

const byMigration: ReadonlySet<FindingCode> = new Set<FindingCode>([
  'object_grant_extra',
  'object_grant_missing',
  'default_rights',
]);

/** Drops what every database of the same version has: a migration did it. One database alone proves nothing. */
export function withoutFleetWide(snapshot: CatalogSnapshot, insides: ReadonlyMap<DatabaseId, Inside>): FsckFinding[] {
  const versionOf = (inside: Inside) => JSON.stringify(inside.lanes);
  const keyOf = (inside: Inside, { code, databaseId, object, message }: FsckFinding) => {
    const name = databaseId === undefined ? '' : (snapshot.databases.get(databaseId)?.name ?? '');
    return [versionOf(inside), code, object, message].join('\n').replaceAll(name, 't_*');
  };
  const all = [...insides.values()];
  const databasesOf = Map.groupBy(all, versionOf);
  const seen = Map.groupBy(
    all.flatMap((inside) => inside.findings.map((each) => keyOf(inside, each))),
    (key) => key,
  );
  return all.flatMap((inside) => {
    const fleet = databasesOf.get(versionOf(inside))?.length ?? 0;
    return inside.findings.filter(
      (each) => !byMigration.has(each.code) || fleet < 2 || (seen.get(keyOf(inside, each))?.length ?? 0) < fleet,
    );
  });
}
