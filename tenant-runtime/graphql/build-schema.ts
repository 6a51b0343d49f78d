// Owns the making of a GraphQL schema from a tenant's database: graphile's plugins with a fixed set of choices. Introspected
// once, by one session; afterwards it knows no tenant and no connection: where its SQL goes is said by the context of each
// request (session-client.ts), so it serves every tenant whose database looks the same. 100 ms for the sample schema.
import type { PgClient, PgClientQuery, PgClientResult, WithPgClient } from '@dataplan/pg';
import type { GraphQLSchema } from 'grafast/graphql';
import { buildSchema, gather, defaultPreset as graphileBuild } from 'graphile-build';
import { defaultPreset as graphileBuildPg } from 'graphile-build-pg';
import { makeIntrospectionQuery } from 'graphile-build-pg/pg-introspection';
import type { GraphileConfig } from 'graphile-config';
import type { QueryOptions, Session } from '../../platform/postgres/session.ts';
import type { Access } from '../route.ts';
import { exposedSchema } from '../schema-fingerprint.ts';
import { introspectSchema } from './introspect-schema.ts';
import { clientOf, withClientKey } from './session-client.ts';

/** Plans of operations that grafast keeps for one schema: each some ten KiB, and only what an application really sends. */
const operationPlansMax = 200;

export async function buildTenantSchema(
  session: Session,
  access: Access,
  options: QueryOptions,
): Promise<GraphQLSchema> {
  const preset = presetFor(session, access, options);
  const schema = buildSchema(preset, await gather(preset));
  schema.extensions = {
    ...schema.extensions,
    grafast: { ...schema.extensions.grafast, operationsCacheMaxLength: operationPlansMax },
  };
  return schema;
}

/** A column named id is the field id, and the global identifier is nodeId: what people expect who look at their tables. */
const columnNamesStay: GraphileConfig.Plugin = {
  name: 'ColumnNamesStayPlugin',
  inflection: {
    replace: {
      nodeIdFieldName: () => 'nodeId',
      _attributeName(previous, _preset, details) {
        return previous?.({ ...details, skipRowId: true }) ?? details.attributeName;
      },
    },
  },
};

function presetFor(session: Session, access: Access, options: QueryOptions): GraphileConfig.Preset {
  const without = ['SubscriptionPlugin', ...(access === 'ro' ? ['MutationPlugin'] : [])];
  const preset = {
    extends: [graphileBuild, graphileBuildPg],
    plugins: [columnNamesStay],
    disablePlugins: [...without, 'PgJWTPlugin'], // tokens are minted by the control plane alone
    pgServices: [
      {
        name: 'main',
        schemas: [exposedSchema],
        withPgClientKey: withClientKey,
        adaptor: { createWithPgClient: () => withIntrospection(session, options) },
        adaptorSettings: undefined,
      },
    ],
  };
  return preset as unknown as GraphileConfig.Preset; // its types name our adaptor only where a module declares it globally
}

/** The session as the builder uses it; the one question that it could not answer as it stands is put differently. */
function withIntrospection(session: Session, options: QueryOptions): WithPgClient {
  const client = clientOf(session, () => options);
  const introspecting: PgClient = {
    ...client,
    async query<T>(query: PgClientQuery): Promise<PgClientResult<T>> {
      if (query.text !== makeIntrospectionQuery()) return client.query<T>(query);
      return { rows: [{ introspection: await introspectSchema(session, options) }] as T[], rowCount: 1 };
    },
  };
  return async (_settings, work) => work(introspecting);
}
