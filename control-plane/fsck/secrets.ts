// Owns what fsck says of stored secrets: that each opens with our keys for what it stands beside, that each live database has
// its four and a dropped one none, and that the cluster knows the same passwords.
import type { CatalogSnapshot, SnapshotDatabase, SnapshotSecret } from '../../catalog/catalog-snapshot.ts';
import { provisionerContext } from '../../catalog/clusters.ts';
import { type Login, logins, namesOf, secretContext } from '../../catalog/names.ts';
import { isFault } from '../../platform/errors.ts';
import { scramFingerprint } from '../../platform/postgres/scram.ts';
import type { Sealer } from '../../platform/sealing.ts';
import type { ClusterView } from './clusters.ts';
import { mustExist } from './databases.ts';
import { type FoundAt, finding } from './finding.ts';
import { inParallel } from './in-parallel.ts';
import type { FsckFinding } from './report.ts';

type Opener = Pick<Sealer, 'open'>;

/** About 20 µs a secret. */
export function checkSecrets(snapshot: CatalogSnapshot, sealer: Opener): FsckFinding[] {
  const found: FsckFinding[] = [];
  for (const { id, name, provisioner_sealed } of snapshot.clusters) {
    found.push(
      ...checkOpens(sealer, provisioner_sealed, provisionerContext(id), {
        clusterId: id,
        object: `provisioner of ${name}`,
      }),
    );
  }
  for (const { kid, sealed } of snapshot.signingKeys) {
    found.push(...checkOpens(sealer, sealed, `signing-key/${kid}`, { object: `signing key ${kid}` }));
  }
  for (const secret of snapshot.secrets) found.push(...checkSecret(snapshot, sealer, secret));
  return [...found, ...checkMissing(snapshot)];
}

function checkSecret(
  snapshot: CatalogSnapshot,
  sealer: Opener,
  { databaseId, login, sealed }: SnapshotSecret,
): FsckFinding[] {
  const row = snapshot.databases.get(databaseId);
  const object = secretContext(databaseId, login);
  const at = { clusterId: row?.cluster_id, databaseId, tenantId: row?.tenant_id, object };
  if (row === undefined || row.state === 'dropped') {
    return [finding('secret_left', { ...at, message: `There is a password for ${object}, and no such database.` })];
  }
  return checkOpens(sealer, sealed, object, at);
}

function checkOpens(sealer: Opener, sealed: string, context: string, at: Omit<FoundAt, 'message'>): FsckFinding[] {
  try {
    sealer.open(sealed, context);
    return [];
  } catch (error) {
    const unknown = isFault(error, 'sealing_key_unknown');
    const code = unknown ? 'secret_key_unknown' : 'secret_damaged';
    const why = unknown ? 'was sealed under a key that is not configured' : 'does not open for what it stands beside';
    return [finding(code, { ...at, message: `The secret of ${at.object} ${why}.` })];
  }
}

function checkMissing(snapshot: CatalogSnapshot): FsckFinding[] {
  const there = new Set(snapshot.secrets.map(({ databaseId, login }) => secretContext(databaseId, login)));
  return [...snapshot.databases.values()].filter(mustExist).flatMap((row) =>
    logins
      .map((login) => secretContext(row.id, login))
      .filter((object) => !there.has(object))
      .map((object) =>
        finding('secret_missing', {
          clusterId: row.cluster_id,
          databaseId: row.id,
          tenantId: row.tenant_id,
          object,
          message: `The catalog has no password for ${object}.`,
        }),
      ),
  );
}

export async function checkPasswords(view: ClusterView, sealer: Opener): Promise<FsckFinding[]> {
  return (await otherPasswords(view, sealer)).map(({ row, name, none }) => {
    const message = `${name} ${none ? 'has no password' : 'has another password than the catalog says'}.`;
    return finding('role_password', {
      clusterId: row.cluster_id,
      databaseId: row.id,
      tenantId: row.tenant_id,
      object: name,
      message,
    });
  });
}

export type OtherPassword = { row: SnapshotDatabase; login: Login; name: string; none: boolean };

/**
 * The logins on the cluster whose password is not that of the catalog. Compares by a digest, off the event loop; about 0.1 ms a
 * login. What does not open is told by checkSecrets.
 */
export async function otherPasswords(
  { cluster, inventory, snapshot }: ClusterView,
  sealer: Opener,
): Promise<OtherPassword[]> {
  const roles = new Set(inventory.roles.map((role) => role.name));
  const found: OtherPassword[] = [];
  await inParallel(snapshot.secrets, passwordsAtATime, async ({ databaseId, login, sealed }) => {
    const row = snapshot.databases.get(databaseId);
    if (row === undefined || row.cluster_id !== cluster.id || !mustExist(row)) return;
    const name = namesOf(databaseId).logins[login];
    const password = openOrNone(sealer, sealed, secretContext(databaseId, login));
    if (password === undefined || !roles.has(name)) return;
    const known = inventory.passwords.get(name);
    const same =
      known !== undefined && (await scramFingerprint(password, known.iterations, known.salt)) === known.digest;
    if (!same) found.push({ row, login, name, none: known === undefined });
  });
  return found;
}

/** Node's own threads for such work are four. */
const passwordsAtATime = 4;

function openOrNone(sealer: Opener, sealed: string, context: string): string | undefined {
  try {
    return sealer.open(sealed, context);
  } catch {
    return undefined;
  }
}
