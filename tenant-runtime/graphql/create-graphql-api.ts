// Owns the composition of the GraphQL API: what is made of what. It is loaded with the first request that needs it, since the
// libraries below take a quarter of a second and some 30 MiB that a runtime without GraphQL need not spend.
import type { Log } from '../../platform/log.ts';
import { createSchemaStore } from '../schema-store.ts';
import type { AnswerDeps } from './answer-request.ts';
import { answerRequest } from './answer-request.ts';
import { buildTenantSchema } from './build-schema.ts';
import { type Answered, faultAnswer } from './graphql-answer.ts';
import { createOperationReader, type OperationRules } from './prepare-operation.ts';

export type GraphqlSettings = OperationRules & AnswerDeps['rules'] & { schemasMax: number };

export type GraphqlApi = {
  answer: (...request: Tail<Parameters<typeof answerRequest>>) => Promise<Answered>;
  faultAnswer: typeof faultAnswer;
  schemas: ReturnType<typeof createSchemaStore>;
};

type Tail<T extends readonly unknown[]> = T extends readonly [unknown, ...infer Rest] ? Rest : never;

export function createGraphqlApi(
  { pools, reload, log }: Pick<AnswerDeps, 'pools' | 'reload'> & { log: Log },
  settings: GraphqlSettings,
): GraphqlApi {
  const schemas = createSchemaStore({ build: buildTenantSchema, schemasMax: settings.schemasMax });
  const deps: AnswerDeps = { pools, reload, log, schemas, rules: settings, reader: createOperationReader(settings) };
  return { answer: (...request) => answerRequest(deps, ...request), faultAnswer, schemas };
}
