// `npm run bench -- rest [--rounds 5] [--requests 400] [--connections 8]`: what the REST API costs beside the SQL that it sends.
// rest: a request to /v1/rest. sql: the very statement that it makes, sent to /v1/sql of the same runtime. direct: the same on
// sessions of this process, no HTTP, no token, no transaction. In each round all of them in turn, and only ratios of one round count.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { parseAddress } from '../../platform/postgres/address.ts';
import { openSession, type Session } from '../../platform/postgres/session.ts';
import type { Statement } from '../../tenant-runtime/rest/build.ts';
import { parseQuery } from '../../tenant-runtime/rest/parse-query.ts';
import { readSchema } from '../../tenant-runtime/rest/read-schema.ts';
import { readStatement } from '../../tenant-runtime/rest/statements.ts';
import type { Table } from '../../tenant-runtime/rest/tenant-schema.ts';
import { startBenchServer } from './route/processes.ts';
import { setUpTenants } from './route/set-up.ts';

const shapes = {
  'one row': ['customers', 'id=eq.7'],
  'twenty rows': ['tasks', 'select=id,title,status&priority=lt.4&order=id.desc&limit=20'],
  'embedded in two levels': [
    'projects',
    'select=code,customers(name),tasks(title,members(display_name))&limit=10&order=id',
  ],
} as const;

export const sample = [
  `insert into customers (name, email, country) select 'Customer ' || n, n || '@example.com', 'GB' from generate_series(1, 500) n`,
  `insert into members (display_name, email) select 'Member ' || n, n || '@example.com' from generate_series(1, 20) n`,
  `insert into projects (customer_id, lead_id, code, name) select n, 1 + n % 20, 'P' || translate(lpad(n::text, 4, '0'), '0123456789', 'ABCDEFGHIJ'), 'Project ' || n from generate_series(1, 200) n`,
  `insert into tasks (project_id, assignee_id, number, title, priority) select p, 1 + n % 20, n, 'Task ' || n, 1 + n % 5 from generate_series(1, 200) p, generate_series(1, 10) n`,
];

export async function run(args: string[]): Promise<void> {
  const options = {
    rounds: { type: 'string', default: '5' },
    requests: { type: 'string', default: '400' },
    connections: { type: 'string', default: '8' },
  } as const;
  const { values } = parseArgs({ args, options });
  const [rounds, requests, connections] = [values.rounds, values.requests, values.connections].map(Number) as [
    number,
    number,
    number,
  ];
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
    const token = fs.readFileSync(house.tokensFile, 'utf8').trim();
    const ask = asking(server.url, token);
    for (const query of sample) await ask('/v1/sql', { query, params: [] });
    const sessions = await Promise.all(
      Array.from({ length: connections }, () => directSession(house.env.BENCH_FIXED_URL ?? '')),
    );
    closers.push(async () => void (await Promise.all(sessions.map((session) => session.close()))));
    for (const [name, [table, query]] of Object.entries(shapes)) {
      const statement = await statementOf(sessions[0] as Session, table, query);
      const send = {
        rest: () => ask(`/v1/rest/${table}?${query}`),
        sql: () => ask('/v1/sql', { query: statement.text, params: statement.params }),
        direct: (slot: number) => (sessions[slot] as Session).queryRaw(statement.text, statement.params),
      };
      await measure(name, send, { rounds, requests, connections });
    }
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

/** @param send by kind: the one in question first, what it is compared with after it */
export async function measure<Kind extends string>(
  name: string,
  send: Record<Kind, (slot: number) => Promise<unknown>>,
  { rounds, requests, connections }: { rounds: number; requests: number; connections: number },
): Promise<void> {
  const kinds = Object.keys(send) as [Kind, Kind, Kind];
  const perSecond = Object.fromEntries(kinds.map((kind) => [kind, []])) as unknown as Record<Kind, number[]>;
  const turn = async (kind: Kind): Promise<number> => {
    let left = requests;
    const startedMs = performance.now();
    const work = async (slot: number) => {
      while (left-- > 0) await send[kind](slot);
    };
    await Promise.all(Array.from({ length: connections }, (_, slot) => work(slot)));
    return (requests * 1000) / (performance.now() - startedMs);
  };
  for (const kind of kinds) await turn(kind); // code is warm and statements are prepared before anything counts
  for (let round = 0; round < rounds; round++) {
    for (let at = 0; at < kinds.length; at++) {
      const kind = kinds[(at + round) % kinds.length] as Kind;
      perSecond[kind].push(await turn(kind));
    }
  }
  console.log(`\n${name}: requests per second in each round`);
  console.table(Object.fromEntries(kinds.map((kind) => [kind, perSecond[kind].map(Math.round)])));
  const pairs: [Kind, Kind][] = [
    [kinds[0], kinds[1]],
    [kinds[0], kinds[2]],
    [kinds[1], kinds[2]],
  ];
  console.table(
    pairs.map(([a, b]) => {
      const ratios = perSecond[a].map((value, round) => value / (perSecond[b][round] as number)).sort((x, y) => x - y);
      const [min, median, max] = [ratios[0], ratios[Math.floor(ratios.length / 2)], ratios.at(-1)];
      return { ratio: `${a} / ${b}`, min: min?.toFixed(2), median: median?.toFixed(2), max: max?.toFixed(2) };
    }),
  );
}

export function asking(url: string, token: string) {
  return async (target: string, body?: object): Promise<unknown> => {
    const response = await fetch(url + target, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${target}: ${response.status} ${text.slice(0, 200)}`);
    return text;
  };
}

export function directSession(url: string): Promise<Session> {
  return openSession(parseAddress(url), { applicationName: 'bench-direct' });
}

async function statementOf(session: Session, tableName: string, query: string): Promise<Statement> {
  const schema = await readSchema(session, 'app', {});
  const { rows } = parseQuery(new URLSearchParams(query));
  const media = { kind: 'array', stripNulls: false } as const;
  return readStatement(schema, schema.tables.get(tableName) as Table, rows, {
    media,
    withTotal: false,
    withBody: true,
  });
}
