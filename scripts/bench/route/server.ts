// One server of the bench as a process: `server.ts floor|plain|fixed|wide|routed|uncached`. All of them are the same HTTP edge. fixed
// is the same endpoint code as routed with a session from one pool; wide has as many sessions there as routed has tenants and takes
// any of them, so it wakes as many processes of PostgreSQL; plain is one statement on a session and nothing else: no transaction, no
// claims, no reset behind it.
import { Hono } from 'hono';
import { planLimitsSchema } from '../../../catalog/plan-limits.ts';
import { systemClock } from '../../../platform/clock.ts';
import { loadConfig } from '../../../platform/config.ts';
import { createEdge, type EdgeEnv } from '../../../platform/http/edge.ts';
import { serve } from '../../../platform/http/serve.ts';
import { createLog } from '../../../platform/log.ts';
import { createMetrics } from '../../../platform/metrics.ts';
import { parseAddress } from '../../../platform/postgres/address.ts';
import { openSession, type Session } from '../../../platform/postgres/session.ts';
import { createSessionPool } from '../../../platform/postgres/session-pool.ts';
import { sqlPath } from '../../../tenant-runtime/app.ts';
import { runtimeConfig } from '../../../tenant-runtime/config.ts';
import { runSql } from '../../../tenant-runtime/endpoints/sql.ts';
import { resultJson } from '../../../tenant-runtime/endpoints/sql-answer.ts';
import { parseSqlRequest, type SqlStatement } from '../../../tenant-runtime/endpoints/sql-request.ts';
import { createRuntime } from '../../../tenant-runtime/runtime.ts';
import type { RequestContext } from '../../../tenant-runtime/tenant-transaction.ts';

const log = createLog({ name: 'bench', level: 'warn' });
const metrics = createMetrics();
const kind = process.argv[2];

process.once('SIGTERM', () => process.exit(0)); // in an orderly way, so that a profile is written

const app = await appOf(kind);
console.log((await serve({ app, host: '127.0.0.1', port: 0, log })).url);

async function appOf(kind: string | undefined): Promise<Hono<EdgeEnv>> {
  if (kind === 'floor') return floor();
  if (kind === 'plain' || kind === 'fixed' || kind === 'wide') return fixed(kind);
  return routed(kind === 'uncached');
}

function edged(): Hono<EdgeEnv> {
  const edge = createEdge({
    log,
    metrics,
    bodyLimitBytes: 4_194_304,
    deadlineMs: 65_000,
    untypedJsonPaths: [sqlPath],
    accessLog: 'failures',
  });
  const hono = new Hono<EdgeEnv>();
  edge.attach(hono);
  return hono;
}

/** Parses the request and answers what the others answer. */
function floor(): Hono<EdgeEnv> {
  const body =
    '{"command":"SELECT","rowCount":1,"rows":[["1","ok"]],"fields":[{"name":"n","dataTypeID":23,"format":"text"}],"rowAsArray":true}';
  return edged().post(sqlPath, () => new Response(body, { headers: { 'content-type': 'application/json' } }));
}

const anybody: RequestContext = {
  access: 'app',
  settings: { 'request.jwt.claims': '{"sub":"bench"}', 'request.method': 'POST', 'request.path': sqlPath },
};

function fixed(kind: 'plain' | 'fixed' | 'wide'): Hono<EdgeEnv> {
  const keys = kind === 'wide' ? Number(process.env.BENCH_TENANTS) : 1;
  const address = parseAddress(process.env.BENCH_FIXED_URL ?? '');
  const pool = createSessionPool({
    open: () => openSession(address, { applicationName: 'bench-fixed' }),
    maxTotal: Math.max(32, keys + 20),
    maxPerKey: keys === 1 ? 32 : 4,
    growAfterMs: keys === 1 ? 0 : 25,
    idleMs: 600_000,
    maxLifetimeMs: 3_600_000,
    reset: kind !== 'plain',
  });
  const route = { limits: planLimitsSchema.parse({}) };
  return edged().post(sqlPath, async (c) => {
    const request = parseSqlRequest(c.get('jsonBody'), (name) => c.req.header(name));
    const signal = c.get('deadline');
    const { rawText, statements } = request;
    const work = async (session: Session): Promise<string> => {
      if (kind !== 'plain') return runSql(session, route, anybody, request, signal);
      const [{ query, params, arrayMode }] = statements as [SqlStatement];
      const timeoutMs = route.limits.statement_timeout_ms;
      return resultJson(await session.queryRaw(query, params, { signal, timeoutMs }), { rawText, arrayMode });
    };
    const json = await pool.use(String(Math.floor(Math.random() * keys)), work, { signal });
    return new Response(json, { headers: { 'content-type': 'application/json' } });
  });
}

async function routed(uncached: boolean): Promise<Hono<EdgeEnv>> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('FREEHOLD_')));
  const config = loadConfig(runtimeConfig, { ...env, ...(uncached && { FREEHOLD_RUNTIME_TOKENS_MAX: '1' }) });
  const runtime = createRuntime({ config, version: 'bench', log, metrics, clock: systemClock });
  await runtime.start();
  return runtime.app;
}
