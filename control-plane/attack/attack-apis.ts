// Owns the attack through the APIs that take no SQL: REST and GraphQL asked for what lies outside of the tenant's own schema, and
// for more than a server should do. Held means a refusal of the client (4xx, or a GraphQL error without data), never a 5xx.
import type { Attack, Attempt } from './attack.ts';
import { doorsOf } from './doors.ts';
import { type Answer, bearer, type Knock, knock, told } from './knock.ts';

type Try = readonly [case_: string, what: string, knock: Knock];

/** Names of the server, of Freehold and of the bookkeeping, by every way in which REST can name something. */
const throughRest: readonly Try[] = [
  ['D03', 'REST: all databases, by profile', rest('GET', '/pg_database', undefined, 'pg_catalog')],
  ['D03', 'REST: all databases, by name', rest('GET', '/pg_catalog.pg_database')],
  ['D03', 'REST: sessions of others, embedded', rest('GET', '/pg_stat_activity?select=*,pg_locks(*)')],
  ['D05', 'REST: read a file of the server', rest('POST', '/rpc/pg_read_file', { filename: 'PG_VERSION' })],
  ['D05', 'REST: list files of the server', rest('GET', '/rpc/pg_ls_dir?dirname=.')],
  ['D06', 'REST: become the owner', rest('POST', '/rpc/set_config', { setting_name: 'role', new_value: 'postgres' })],
  ['D07', 'REST: end a session', rest('POST', '/rpc/pg_terminate_backend', { pid: 1 })],
  ['D10', 'REST: lock table of the server', rest('POST', '/rpc/pg_advisory_lock', { key: 1 })],
  ['D12', 'REST: queue of notifications', rest('POST', '/rpc/pg_notify', { channel: 'attack', payload: 'x' })],
  ['D18', 'REST: rewrite what was migrated', rest('DELETE', '/pgmigrations?id=gte.0')],
  ['D18', 'REST: rewrite the ledger', rest('DELETE', '/ledger?id=gte.0', undefined, 'freehold')],
  ['N06', 'REST: take another identity', rest('PATCH', '/identity', { tenant_id: 'tnt_0' }, 'freehold')],
  ['N03', 'REST: SQL in the name of a table', rest('GET', `/${encodeURIComponent('x"; select pg_sleep(60); --')}`)],
  ['A05', 'REST: conditions 300 deep', rest('GET', `/x?${nested('and=(or=(', 'id.eq.1', '))', 300)}`)],
  ['A05', 'REST: relations 700 deep', rest('GET', `/x?select=${nested('a(', 'id', ')', 700)}`)],
  ['A05', 'REST: a body 100,000 deep', rest('POST', '/x', nested('[', '', ']', 100_000))],
];

const throughGraphql: readonly Try[] = [
  ['D03', 'GraphQL: all databases', graphql('{ allPgDatabases { nodes { datname } } }')],
  ['D05', 'GraphQL: read a file of the server', graphql('{ pgReadFile(filename: "PG_VERSION") }')],
  [
    'D18',
    'GraphQL: rewrite what was migrated',
    graphql('mutation { deletePgmigration(input: { id: 1 }) { clientMutationId } }'),
  ],
  ['N06', 'GraphQL: whose identity', graphql('{ allIdentities { nodes { tenantId } } }')],
  ['N03', 'GraphQL: SQL in the name of a field', graphql('{ "x; select pg_sleep(60)" }')],
  ['A05', 'GraphQL: a document 50,000 deep', graphql(nested('{ a ', '', '}', 50_000))],
  [
    'A05',
    'GraphQL: 5,000 aliases',
    graphql(`{ ${Array.from({ length: 5_000 }, (_, i) => `a${i}: __typename`).join(' ')} }`),
  ],
  ['A05', 'GraphQL: a body 100,000 deep', { ...graphql(''), body: nested('[', '', ']', 100_000) }],
];

export const attackApis: Attack = async function* ({ runtimeUrl, attacker, victim }) {
  const open = new Set((await doorsOf(runtimeUrl)).map(({ name }) => name));
  const lists = [
    ['rest', throughRest],
    ['graphql', throughGraphql],
  ] as const;
  for (const [door, tries] of lists) {
    for (const [id, what, { headers = [], ...rest }] of tries) {
      if (!open.has(door)) {
        yield attempt(id, what, 'this runtime has no such door', 'untried');
        continue;
      }
      const answer = await knock(runtimeUrl, { ...rest, headers: [bearer(attacker.token), ...headers] });
      const held = isRefusal(answer) && !answer.text.includes(victim.tenantId);
      yield attempt(id, what, told(answer), held ? 'held' : 'broken');
    }
  }
};

/** 401 would say that nothing was tried: the token is good. */
function isRefusal({ status, json }: Answer): boolean {
  if (status === 200) return Array.isArray(json.errors) && (json.data ?? null) === null;
  return status >= 400 && status < 500 && status !== 401;
}

function rest(method: NonNullable<Knock['method']>, path: string, body?: unknown, profile?: string): Knock {
  const headers: Knock['headers'] =
    profile === undefined
      ? []
      : [
          ['accept-profile', profile],
          ['content-profile', profile],
        ];
  return { method, path: `/v1/rest${path}`, headers, ...(body !== undefined && { body }) };
}

function graphql(query: string): Knock {
  return { method: 'POST', path: '/v1/graphql', body: { query } };
}

function nested(open: string, inside: string, close: string, levels: number): string {
  return open.repeat(levels) + inside + close.repeat(levels);
}

function attempt(id: string, what: string, got: string, verdict: Attempt['verdict']): Attempt {
  return { case: id, group: 'apis', what, expected: 'a refusal', got, verdict };
}
