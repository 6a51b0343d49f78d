// Owns the late loading of the GraphQL API. Stored operations are read at once, so that a wrong file stops the start; the
// libraries are loaded with the first request, once, and again after a failure.
import type { RuntimeConfig } from '../config.ts';
import type { AnswerDeps } from './answer-request.ts';
import type { GraphqlApi } from './create-graphql-api.ts';
import { readStoredOperations } from './stored-operations.ts';

export type GraphqlLoader = {
  load(): Promise<GraphqlApi>;
  /** Zeros until it is loaded. */
  stats(): { schemas: number; databases: number; built: number };
};

/** @throws Fault graphql_operations_file_unusable */
export function createGraphqlLoader(
  deps: Pick<AnswerDeps, 'pools' | 'reload' | 'log'>,
  config: RuntimeConfig,
): GraphqlLoader {
  const file = config.runtimeGraphqlOperationsFile;
  const settings = {
    stored: file === undefined ? new Map<string, string>() : readStoredOperations(file),
    storedOnly: config.runtimeGraphqlOperationsOnly,
    introspection: config.runtimeGraphqlIntrospection,
    depthMax: config.runtimeGraphqlDepthMax,
    costMax: config.runtimeGraphqlCostMax,
    schemasMax: config.runtimeGraphqlSchemasMax,
  };
  let loading: Promise<GraphqlApi> | undefined;
  let loaded: GraphqlApi | undefined;
  const load = async (): Promise<GraphqlApi> => {
    const { createGraphqlApi } = await import('./create-graphql-api.ts');
    loaded = createGraphqlApi(deps, settings);
    return loaded;
  };
  return {
    load() {
      loading ??= load().catch((error: unknown) => {
        loading = undefined;
        throw error;
      });
      return loading;
    },
    stats: () => loaded?.schemas.stats() ?? { schemas: 0, databases: 0, built: 0 },
  };
}
