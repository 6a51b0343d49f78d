// Owns the reading of a request in the format of GraphQL over HTTP: a document or the hash of a stored one, variables, the name
// of the operation. An array of them is a batch. Whatever does not fit is a Fault that names the member.
import { z } from 'zod';
import { parseStrictJson } from '../../platform/strict-json.ts';
import { graphqlFault } from './errors.ts';
import { hashOf, type StoredOperations } from './stored-operations.ts';

export type GraphqlRequest = {
  document: string;
  operationName: string | undefined;
  variables: Readonly<Record<string, unknown>>;
};

export type RequestRules = { stored: StoredOperations; storedOnly: boolean };

const sha256 = z.string().regex(/^[0-9a-f]{64}$/i, 'must be a SHA-256 in hexadecimal');

/** Unknown members are ignored: clients send what other servers understand. */
const requestSchema = z.object({
  query: z.string().nullish(),
  operationName: z.string().max(200).nullish(),
  variables: z.record(z.string(), z.unknown()).nullish(),
  /** `sha256:…` of the working draft on persisted documents. */
  documentId: z.string().startsWith('sha256:').nullish(),
  extensions: z.object({ persistedQuery: z.object({ sha256Hash: sha256 }).nullish() }).nullish(),
});

/** @throws Fault graphql_request_invalid, graphql_operation_unknown, graphql_operation_not_stored */
export function readGraphqlRequest(body: unknown, rules: RequestRules): GraphqlRequest {
  const parsed = requestSchema.safeParse(body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalid(`${issue?.path.join('.') || 'The body'}: ${issue?.message.slice(0, 200)}.`);
  }
  const { query, operationName, variables, documentId, extensions } = parsed.data;
  const hash = extensions?.persistedQuery?.sha256Hash ?? documentId?.slice('sha256:'.length);
  return {
    document: documentOf(query || undefined, hash?.toLowerCase(), rules),
    operationName: operationName || undefined,
    variables: variables ?? {},
  };
}

/**
 * The same of a GET: parameters of those names, `variables` and `extensions` as JSON. With the hash of a stored operation it is
 * short, and the same request has the same URL.
 * @throws Fault graphql_request_invalid
 */
export function requestOfQueryString(params: URLSearchParams): unknown {
  const request: Record<string, unknown> = {};
  for (const name of ['query', 'operationName', 'documentId', 'variables', 'extensions']) {
    const values = params.getAll(name);
    if (values.length > 1) throw invalid(`${name}: is there more than once.`);
    if (values[0] === undefined || values[0] === '') continue;
    request[name] = name === 'variables' || name === 'extensions' ? jsonOf(name, values[0]) : values[0];
  }
  return request;
}

function jsonOf(name: string, text: string): unknown {
  try {
    return parseStrictJson(text);
  } catch {
    throw invalid(`${name}: is not JSON.`);
  }
}

function documentOf(query: string | undefined, hash: string | undefined, { stored, storedOnly }: RequestRules): string {
  if (query === undefined && hash === undefined)
    throw invalid('Send "query" with a document, or the hash of a stored one.');
  if (query === undefined) {
    const document = stored.get(hash as string);
    if (document !== undefined) return document;
    throw graphqlFault('graphql_operation_unknown', 'No operation with this hash is stored: send the document itself.');
  }
  const own = hash !== undefined || storedOnly ? hashOf(query) : undefined;
  if (hash !== undefined && hash !== own) throw invalid('The hash is not that of the document beside it.');
  if (!storedOnly || stored.has(own as string)) return query;
  throw graphqlFault(
    'graphql_operation_not_stored',
    'Only operations that were stored with the application are answered.',
  );
}

function invalid(message: string) {
  return graphqlFault('graphql_request_invalid', message);
}
