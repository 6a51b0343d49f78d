// Owns which schema a tenant's database has, without asking it each time. A schema is kept once by its fingerprint, so ten
// thousand tenants at one version cost one reading, and each of them one fingerprint. A fingerprint is taken again when the
// route says another schema version, when it is old, and when a request meets what it does not explain: that is how a change
// made by hand is noticed.
import type { DatabaseId } from '../../catalog/ids.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Session } from '../../platform/postgres/session.ts';
import type { Access } from '../route.ts';
import { schemaFingerprint } from '../schema-fingerprint.ts';
import type { ServedRoute } from '../tenant-pools.ts';
import { readSchema } from './read-schema.ts';
import type { TenantSchema } from './tenant-schema.ts';

export interface SchemaCache {
  schemaOf(session: Session, route: ServedRoute, access: Access, signal: AbortSignal): Promise<TenantSchema>;
  /** A request failed as it would with a stale schema. True where looking again makes sense, and the next one will. */
  doubt(databaseId: DatabaseId, access: Access): boolean;
  stats(): { schemas: number; databases: number; readings: number };
}

/** The fingerprint takes a few milliseconds, so for a busy tenant it is lost in the noise. */
const ageMaxMs = 60_000;
/** A client that asks for what does not exist makes its own database look once a second at most. */
const doubtAfterMs = 1_000;
/** A fleet has a few versions at a time; a schema of a hundred tables takes about 1 MB here. */
const schemasMax = 50;
/** 200 bytes each. */
const databasesMax = 50_000;

/** So often a schema is read that changes while it is read. */
const attemptsMax = 3;

type Reading = { fingerprint: string; schema: TenantSchema };
type Known = { lanes: string; fingerprint: string; checkedAtMs: number };

export function createSchemaCache(clock: Clock): SchemaCache {
  const schemas = new Map<string, Promise<Reading>>();
  /** By login and database: the two logins may see different things. */
  const databases = new Map<string, Known>();
  let readings = 0;
  const nowMs = () => clock.now().getTime();

  const keep = (fingerprint: string, reading: Promise<Reading>): void => {
    schemas.delete(fingerprint);
    schemas.set(fingerprint, reading); // the least recently used is first
    if (schemas.size > schemasMax) schemas.delete(schemas.keys().next().value as string);
  };

  /** What was read between two equal fingerprints is what the fingerprint stands for. */
  const read = async (fingerprint: string, session: Session, signal: AbortSignal): Promise<Reading> => {
    readings++;
    let before = fingerprint;
    for (let attempt = 1; ; attempt++) {
      const schema = await readSchema(session, signal);
      const after = await schemaFingerprint(session, { signal });
      if (after === before || attempt === attemptsMax) return { fingerprint: after, schema };
      before = after; // a migration is at work
    }
  };

  const readingOf = async (fingerprint: string, session: Session, signal: AbortSignal): Promise<Reading> => {
    const known = schemas.get(fingerprint);
    if (known !== undefined) {
      keep(fingerprint, known);
      const found = await known.catch(() => undefined); // its reader may have left before the end
      if (found !== undefined) return found;
    }
    const reading = read(fingerprint, session, signal);
    keep(fingerprint, reading);
    try {
      const found = await reading;
      if (found.fingerprint !== fingerprint) {
        schemas.delete(fingerprint);
        keep(found.fingerprint, reading);
      }
      return found;
    } catch (error) {
      if (schemas.get(fingerprint) === reading) schemas.delete(fingerprint);
      throw error;
    }
  };

  return {
    async schemaOf(session, { database, lanes }, access, signal) {
      const key = `${access} ${database.id}`;
      const version = Object.entries(lanes)
        .map(([lane, { hash }]) => `${lane}:${hash}`)
        .join(' ');
      let known = databases.get(key);
      if (known === undefined || known.lanes !== version || nowMs() - known.checkedAtMs > ageMaxMs) {
        const fingerprint = await schemaFingerprint(session, { signal });
        known = { lanes: version, fingerprint, checkedAtMs: nowMs() };
        if (databases.size >= databasesMax) databases.clear();
        databases.set(key, known);
      }
      const { fingerprint, schema } = await readingOf(known.fingerprint, session, signal);
      known.fingerprint = fingerprint;
      return schema;
    },
    doubt(databaseId, access) {
      const key = `${access} ${databaseId}`;
      const known = databases.get(key);
      if (known === undefined || nowMs() - known.checkedAtMs < doubtAfterMs) return false;
      databases.delete(key);
      return true;
    },
    stats: () => ({ schemas: schemas.size, databases: databases.size, readings }),
  };
}
