// Owns what an API has built from schemas, in this process: one for each fingerprint and login, the least recently used is
// forgotten. Promises: concurrent requests for one fingerprint build it once; a database is asked for its fingerprint once for each
// version of its lanes, once a minute, and when a request shows that it was changed; what fails one builder fails no other
// request; what a migration changed while it was read is never kept under a fingerprint that it does not have.
import type { DatabaseId } from '../catalog/ids.ts';
import type { QueryOptions, Session } from '../platform/postgres/session.ts';
import type { Access } from './route.ts';
import { schemaFingerprint } from './schema-fingerprint.ts';
import type { ServedRoute } from './tenant-pools.ts';

export interface SchemaStore<T> {
  /** Undefined where it would have to be asked for or built. */
  known(route: ServedRoute, access: Access): T | undefined;
  /** @param session of that route, used where the schema is not known */
  find(route: ServedRoute, access: Access, session: Session, options: QueryOptions): Promise<T>;
  /** The database is not what its fingerprint said. */
  forget(databaseId: DatabaseId): void;
  /** It may not be. False where it was asked just now. */
  doubt(databaseId: DatabaseId): boolean;
  stats(): { schemas: number; databases: number; built: number };
}

export type SchemaStoreDeps<T> = {
  build(session: Session, access: Access, options: QueryOptions): Promise<T>;
  schemasMax: number;
};

/** A change by hand shows after so long even where no request runs into it. */
const fingerprintAgeMaxMs = 60_000;
/** Whoever asks for what is not there makes us look no more often than this. */
const doubtAfterMs = 1_000;
/** So often a schema is built anew that changes while it is read. */
const attemptsMax = 3;
/** About 200 bytes each. */
const databasesMax = 20_000;

/** Without a fingerprint it serves its request and is not kept. */
type Built<T> = { schema: T; fingerprint: string | undefined };

export function createSchemaStore<T>({ build, schemasMax }: SchemaStoreDeps<T>): SchemaStore<T> {
  /** Both in the order of use: the first is the least recently used. */
  const schemas = new Map<string, T>();
  const fingerprints = new Map<string, { lanes: string; fingerprint: string; atMs: number }>();
  const building = new Map<string, Promise<T>>();
  let built = 0;

  const fingerprintOf = (route: ServedRoute, access: Access): string | undefined => {
    const key = databaseKey(route.database.id, access);
    const found = fingerprints.get(key);
    if (found === undefined || performance.now() - found.atMs > fingerprintAgeMaxMs) return undefined;
    if (found.lanes !== lanesOf(route)) return undefined; // migrated
    touch(fingerprints, key, found, databasesMax);
    return found.fingerprint;
  };

  const schemaOf = (fingerprint: string, access: Access): T | undefined => {
    const key = schemaKey(fingerprint, access);
    const schema = schemas.get(key);
    if (schema !== undefined) touch(schemas, key, schema, schemasMax);
    return schema;
  };

  const buildOnce = (key: string, make: () => Promise<Built<T>>, access: Access): Promise<T> => {
    const promise = make().then(({ fingerprint, schema }) => {
      built++;
      if (fingerprint !== undefined) touch(schemas, schemaKey(fingerprint, access), schema, schemasMax);
      return schema;
    });
    building.set(key, promise);
    const done = () => void building.delete(key);
    promise.then(done, done);
    return promise;
  };

  const make = async (
    session: Session,
    access: Access,
    options: QueryOptions,
    fingerprint: string,
  ): Promise<Built<T>> => {
    let before = fingerprint;
    for (let attempt = 1; ; attempt++) {
      const schema = await build(session, access, options);
      const after = await schemaFingerprint(session, options);
      if (after === before) return { schema, fingerprint: after };
      if (attempt === attemptsMax) return { schema, fingerprint: undefined };
      before = after; // a migration is at work
    }
  };

  const forget = (databaseId: DatabaseId): void => {
    for (const access of ['app', 'ro'] as const) fingerprints.delete(databaseKey(databaseId, access));
  };

  return {
    forget,
    known(route, access) {
      const fingerprint = fingerprintOf(route, access);
      return fingerprint === undefined ? undefined : schemaOf(fingerprint, access);
    },
    async find(route, access, session, options) {
      let fingerprint = fingerprintOf(route, access);
      if (fingerprint === undefined) {
        const atMs = performance.now();
        fingerprint = await schemaFingerprint(session, options);
        const entry = { lanes: lanesOf(route), fingerprint, atMs };
        touch(fingerprints, databaseKey(route.database.id, access), entry, databasesMax);
      }
      const found = fingerprint;
      const key = schemaKey(found, access);
      const known = schemaOf(fingerprint, access);
      if (known !== undefined) return known;
      // The one who builds may be aborted or lose its session; whoever waited for it then builds with its own.
      const others = await building.get(key)?.catch(() => undefined);
      options.signal?.throwIfAborted();
      return others ?? building.get(key) ?? buildOnce(key, () => make(session, access, options, found), access);
    },
    doubt(databaseId) {
      const keys = [databaseKey(databaseId, 'app'), databaseKey(databaseId, 'ro')];
      const isFresh = (key: string) => performance.now() - (fingerprints.get(key)?.atMs ?? 0) < doubtAfterMs;
      if (keys.some(isFresh)) return false;
      forget(databaseId);
      return true;
    },
    stats: () => ({ schemas: schemas.size, databases: fingerprints.size, built }),
  };
}

function touch<V>(map: Map<string, V>, key: string, value: V, max: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > max) map.delete(map.keys().next().value as string);
}

/** Fingerprints are hexadecimal and ids of a fixed alphabet, so no two mean the same key. */
const schemaKey = (fingerprint: string, access: Access) => `${fingerprint}/${access}`;
const databaseKey = (id: DatabaseId, access: Access) => `${id}/${access}`;

function lanesOf({ lanes }: ServedRoute): string {
  return Object.entries(lanes)
    .map(([lane, { version, hash }]) => `${lane}:${version}:${hash}`)
    .sort()
    .join(' ');
}
