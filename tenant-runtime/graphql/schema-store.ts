// Owns the built schemas of this process: one for each fingerprint and login, the least recently used is forgotten. Promises:
// concurrent requests for one fingerprint build it once; a database is asked for its fingerprint once for each version of its
// lanes, once a minute, and when a request shows that it was changed; what fails one builder fails no other request.
import type { GraphQLSchema } from 'grafast/graphql';
import type { DatabaseId } from '../../catalog/ids.ts';
import type { QueryOptions, Session } from '../../platform/postgres/session.ts';
import type { Access } from '../route.ts';
import { schemaFingerprint } from '../schema-fingerprint.ts';
import type { ServedRoute } from '../tenant-pools.ts';

export interface SchemaStore {
  /** Undefined where it would have to be asked for or built. */
  known(route: ServedRoute, access: Access): GraphQLSchema | undefined;
  /** @param session of that route, used where the schema is not known */
  find(route: ServedRoute, access: Access, session: Session, options: QueryOptions): Promise<GraphQLSchema>;
  /** The database is not what its fingerprint said. */
  forget(databaseId: DatabaseId): void;
  /** It may not be. False where it was asked just now. */
  doubt(databaseId: DatabaseId): boolean;
  stats(): { schemas: number; databases: number; built: number };
}

export type SchemaStoreDeps = {
  build(session: Session, access: Access, options: QueryOptions): Promise<GraphQLSchema>;
  schemasMax: number;
};

/** A change by hand shows after so long even where no request runs into it. */
const fingerprintAgeMaxMs = 60_000;
/** Whoever asks for what is not there makes us look no more often than this. */
const doubtAfterMs = 1_000;
/** About 200 bytes each. */
const databasesMax = 20_000;

export function createSchemaStore({ build, schemasMax }: SchemaStoreDeps): SchemaStore {
  /** Both in the order of use: the first is the least recently used. */
  const schemas = new Map<string, GraphQLSchema>();
  const fingerprints = new Map<string, { lanes: string; fingerprint: string; atMs: number }>();
  const building = new Map<string, Promise<GraphQLSchema>>();
  let built = 0;

  const fingerprintOf = (route: ServedRoute, access: Access): string | undefined => {
    const key = databaseKey(route.database.id, access);
    const found = fingerprints.get(key);
    if (found === undefined || performance.now() - found.atMs > fingerprintAgeMaxMs) return undefined;
    if (found.lanes !== lanesOf(route)) return undefined; // migrated
    touch(fingerprints, key, found, databasesMax);
    return found.fingerprint;
  };

  const schemaOf = (fingerprint: string, access: Access): GraphQLSchema | undefined => {
    const key = schemaKey(fingerprint, access);
    const schema = schemas.get(key);
    if (schema !== undefined) touch(schemas, key, schema, schemasMax);
    return schema;
  };

  const buildOnce = (key: string, make: () => Promise<GraphQLSchema>): Promise<GraphQLSchema> => {
    const promise = make().then((schema) => {
      built++;
      touch(schemas, key, schema, schemasMax);
      return schema;
    });
    building.set(key, promise);
    const done = () => void building.delete(key);
    promise.then(done, done);
    return promise;
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
      const key = schemaKey(fingerprint, access);
      const known = schemaOf(fingerprint, access);
      if (known !== undefined) return known;
      // The one who builds may be aborted or lose its session; whoever waited for it then builds with its own.
      const others = await building.get(key)?.catch(() => undefined);
      options.signal?.throwIfAborted();
      return others ?? building.get(key) ?? buildOnce(key, () => build(session, access, options));
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
