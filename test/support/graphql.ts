// Owns the asking of GraphQL for tests: one request over real HTTP, its answer in parts.
import { call, type RuntimeFixture, type TestTenant } from './runtime.ts';

export type GraphqlError = {
  message: string;
  path?: (string | number)[];
  extensions: { code: string; sqlstate?: string; limit?: string };
};
export type GraphqlAnswer = {
  status: number;
  headers: Headers;
  data: Record<string, unknown> | null | undefined;
  errors: GraphqlError[] | undefined;
  /** Of a problem document. */
  code: unknown;
  body: Record<string, unknown>;
};

export type Ask = (
  query: string,
  variables?: Record<string, unknown>,
  more?: { headers?: Record<string, string>; signal?: AbortSignal },
) => Promise<GraphqlAnswer>;

export async function askGraphql(
  url: string,
  token: string | undefined,
  body: unknown,
  more: { headers?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<GraphqlAnswer> {
  const answer = await call(url, token, { path: '/v1/graphql', body, ...more });
  const { data, errors, code } = answer.body;
  return { ...answer, data: data as GraphqlAnswer['data'], errors: errors as GraphqlError[] | undefined, code };
}

/** As a tenant with the scope graphql, unless told. */
export async function asker(
  fixture: RuntimeFixture,
  url: string,
  tenant: TestTenant,
  claims: Record<string, unknown> = {},
): Promise<Ask> {
  const token = await fixture.token(tenant.id, { scope: 'graphql', ...claims });
  return (query, variables, more) => askGraphql(url, token, { query, ...(variables && { variables }) }, more);
}
