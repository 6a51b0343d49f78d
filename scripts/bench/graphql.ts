// `npm run bench -- graphql [--rounds 5] [--requests 300] [--connections 8]`: what GraphQL costs beside the SQL that it sends.
// graphql: a request to /v1/graphql, its schema built and its plan known. sql: the very statements that it makes, as one batch
// to /v1/sql of the same runtime. direct: the same on sessions of this process, no HTTP, no token, no transaction. In each
// round all of them in turn, and only ratios of one round count.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { execute } from 'grafast';
import { type ExecutionResult, type GraphQLSchema, parse } from 'grafast/graphql';
import type { Session } from '../../platform/postgres/session.ts';
import { buildTenantSchema } from '../../tenant-runtime/graphql/build-schema.ts';
import { withClientKey, withSession } from '../../tenant-runtime/graphql/session-client.ts';
import { asking, directSession, measure, sample } from './rest.ts';
import { startBenchServer } from './route/processes.ts';
import { setUpTenants } from './route/set-up.ts';

const operations = {
  'one row': '{ customerById(id: "7") { id name email } }',
  'twenty rows': '{ allTasks(first: 20, orderBy: [ID_DESC]) { nodes { id title status } } }',
  'nested in two levels':
    '{ allProjects(first: 10) { nodes { code customerByCustomerId { name } tasksByProjectId(first: 20) { nodes { title memberByAssigneeId { displayName } } } } } }',
} as const;

type Statement = { query: string; params: (string | null)[] };

export async function run(args: string[]): Promise<void> {
  const options = {
    rounds: { type: 'string', default: '5' },
    requests: { type: 'string', default: '300' },
    connections: { type: 'string', default: '8' },
  } as const;
  const { values } = parseArgs({ args, options });
  const settings = {
    rounds: Number(values.rounds),
    requests: Number(values.requests),
    connections: Number(values.connections),
  };
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'freehold-bench-'));
  fs.chmodSync(folder, 0o711);
  const closers: (() => Promise<void>)[] = [
    () => Promise.resolve(fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 })),
  ];
  try {
    const house = await setUpTenants(folder, 1);
    closers.push(house.close);
    const server = await startBenchServer('routed', house.env);
    closers.push(server.stop);
    const ask = asking(server.url, fs.readFileSync(house.tokensFile, 'utf8').trim());
    for (const query of sample) await ask('/v1/sql', { query, params: [] });
    const sessions = await Promise.all(
      Array.from({ length: settings.connections }, () => directSession(house.env.BENCH_FIXED_URL ?? '')),
    );
    closers.push(async () => void (await Promise.all(sessions.map((session) => session.close()))));
    await asApplication(sessions);
    const schema = await buildTenantSchema(sessions[0] as Session, 'app', {});
    for (const [name, query] of Object.entries(operations)) {
      const statements = await statementsOf(schema, sessions[0] as Session, query);
      const send = {
        graphql: () => ask('/v1/graphql', { query }),
        sql: () => ask('/v1/sql', { queries: statements }),
        direct: async (slot: number) => {
          for (const each of statements) await (sessions[slot] as Session).queryRaw(each.query, each.params);
        },
      };
      await measure(`${name} (${statements.length} statements)`, send, settings);
    }
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

/** The login of the bench is a member of the tenant's own, whose rights are the ones that the schema is made of. */
async function asApplication(sessions: readonly Session[]): Promise<void> {
  for (const session of sessions) {
    const { rows } = await session.query<{ name: string }>('select current_database() as name');
    await session.script(`set role "${rows[0]?.name}_app_a"`);
  }
}

/** What the operation sends, heard on its way to a session. */
async function statementsOf(schema: GraphQLSchema, session: Session, source: string): Promise<Statement[]> {
  const statements: Statement[] = [];
  const hearing = {
    ...session,
    queryRaw: (query: string, params: (string | null)[] = []) => {
      statements.push({ query, params });
      return session.queryRaw(query, params);
    },
  } as Session;
  const contextValue = { [withClientKey]: withSession(hearing, () => ({})) };
  const { errors } = (await execute({ schema, document: parse(source), contextValue })) as ExecutionResult;
  if (errors !== undefined) throw new Error(`${source}: ${errors[0]?.message}`);
  if (statements.length === 0) throw new Error(`${source}: sends no statement`);
  return statements;
}
