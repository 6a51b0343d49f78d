// Owns which doors the attacked runtime has, found by knocking without a token: every attack on tokens goes to each of them.
import { type Answer, bearer, type Knock, knock } from './knock.ts';

export type Door = { readonly name: string; readonly knock: Knock };

const known: readonly Door[] = [
  { name: 'tenant', knock: { path: '/v1/tenant' } },
  { name: 'sql', knock: { method: 'POST', path: '/v1/sql', body: { query: 'select 1', params: [] } } },
  { name: 'rest', knock: { path: '/v1/rest/' } },
  { name: 'graphql', knock: { method: 'POST', path: '/v1/graphql', body: { query: '{ __typename }' } } },
];

/** Those that want a token. A door that is not there, or that is open to everybody, is none. */
export async function doorsOf(runtimeUrl: string): Promise<Door[]> {
  const answers = await Promise.all(known.map((door) => knock(runtimeUrl, door.knock)));
  return known.filter((_, at) => answers[at]?.status === 401);
}

export function knockAt(runtimeUrl: string, door: Door, headers: Knock['headers'] = []): Promise<Answer> {
  return knock(runtimeUrl, { ...door.knock, headers });
}

/** One reading statement of the tenant that the token names. */
export function ask(runtimeUrl: string, token: string, query: string, headers: Knock['headers'] = []): Promise<Answer> {
  const body = { query, params: [] };
  return knock(runtimeUrl, { method: 'POST', path: '/v1/sql', headers: [bearer(token), ...headers], body });
}
