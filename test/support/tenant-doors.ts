// Owns the doors at which a token of a tenant is shown, as tests knock at them: the data APIs of one runtime, and a product that is
// built with the library. The same questions at each: whose data is it, what lasts until it is ended, what is large.
import { Hono } from 'hono';
import { stream } from 'hono/streaming';
import { sql } from 'kysely';
import { serve } from '../../platform/http/serve.ts';
import { createTenantRuntime, type TenantEnv } from '../../tenant-runtime/create-tenant-runtime.ts';
import { testLog } from './installation.ts';
import { type Answer, call, type RunningRuntime, type RuntimeFixture, type TestTenant } from './runtime.ts';
import { superuserSql } from './superuser-sql.ts';

export type Knock = { method?: string; path: string; body?: unknown };

export const doorNames = ['sql', 'rest', 'graphql', 'product'] as const;
export type DoorName = (typeof doorNames)[number];

export type TenantDoor = {
  readonly name: DoorName;
  readonly url: string;
  /** Reads the canary row. */
  readonly whose: Knock;
  /** Runs for thirty seconds, unless it is ended. */
  readonly slow: Knock;
  /** Some nine million bytes. */
  readonly large: Knock;
  /** Other shapes of request that must be refused alike without a good token. */
  readonly others: readonly Knock[];
  /** Sessions at work for requests of this door. */
  leased(): Promise<number>;
};

/** What every door lets a token of these scopes do. */
export const everyScope = 'tenant:read sql rest graphql';

export type TenantDoors = Record<DoorName, TenantDoor>;

/** @param runtime what answers at the data APIs; `product` is another runtime of the same installation */
export function doorsOf(runtime: RunningRuntime, product: Product): TenantDoors {
  const { url } = runtime;
  const leased = async () => runtime.pools.stats().leased;
  const post = (path: string, body: unknown): Knock => ({ path, body });
  const query = (text: string) => post('/v1/sql', { query: text });
  const operation = (text: string) => post('/v1/graphql', { query: text });
  return {
    sql: {
      name: 'sql',
      url,
      leased,
      whose: query('select tenant_uid from canary'),
      slow: query('select linger()'),
      large: query('select plenty()'),
      others: [{ path: '/v1/tenant' }, post('/v1/sql', { queries: [{ query: 'select 1' }] })],
    },
    rest: {
      name: 'rest',
      url,
      leased,
      whose: { path: '/v1/rest/canary?select=tenant_uid' },
      slow: { path: '/v1/rest/rpc/linger' },
      large: { path: '/v1/rest/rpc/plenty' },
      others: [
        { path: '/v1/rest/nowhere/at/all' },
        { path: '/v1/rest/' },
        post('/v1/rest/customers', [{ name: 'x' }]),
        post('/v1/rest/rpc/next_task_number', { project: 1 }),
      ],
    },
    graphql: {
      name: 'graphql',
      url,
      leased,
      whose: operation('{ allCanaries { nodes { tenantUid } } }'),
      slow: operation('{ linger }'),
      large: operation('{ plenty(first: 9000) { nodes } }'),
      others: [
        operation('{ __typename }'),
        operation('mutation { __typename }'),
        post('/v1/graphql', [{ query: '{ __typename }' }]),
      ],
    },
    product: {
      name: 'product',
      url: product.url,
      leased: product.leased,
      whose: { path: '/app/canary' },
      slow: { path: '/app/linger' },
      large: { path: '/streams/plenty' },
      others: [{ method: 'POST', path: '/app/anything' }, { path: '/streams/nowhere' }],
    },
  };
}

export type Product = { readonly url: string; leased(): Promise<number>; close(): Promise<void> };

type ProductDb = { canary: { tenant_uid: string } };

/** A small API on the library. Its `/streams/` answers while it reads. */
export async function startProduct(fixture: RuntimeFixture, env: Record<string, string> = {}): Promise<Product> {
  const log = testLog();
  const runtime = createTenantRuntime<ProductDb>({ env: { ...fixture.env, ...env }, log });
  const app = new Hono<TenantEnv<ProductDb>>();
  runtime.attach(app);
  app.use('/app/*', ...runtime.tenant());
  app.use('/streams/*', ...runtime.tenant({ streams: true }));
  app.get('/app/canary', async (c) =>
    c.json(await c.var.tenant.db.selectFrom('canary').select('tenant_uid').execute()),
  );
  app.get('/app/linger', async (c) => {
    await sql`select linger()`.execute(c.var.tenant.db);
    return c.text('late');
  });
  const gone = async () => {}; // the reader has left, and with it the session
  app.get('/streams/plenty', (c) =>
    stream(
      c,
      async (out) => {
        for (let part = 0; part < 90; part++) {
          const { rows } = await sql<{ text: string }>`select string_agg(t, '') as text from plenty(100) t`.execute(
            c.var.tenant.db,
          );
          await out.write(rows[0]?.text ?? '');
        }
      },
      gone,
    ),
  );
  await runtime.start();
  const server = await serve({ app, host: '127.0.0.1', port: 0, log });
  return {
    url: server.url,
    async leased() {
      const page = await (await runtime.metricsPage.request('/metrics')).text();
      return Number(/freehold_runtime_sessions_leased (\d+)/.exec(page)?.[1] ?? Number.NaN);
    },
    async close() {
      await server.close(1_000);
      await runtime.stop();
    },
  };
}

/** linger() and plenty(), which `slow` and `large` call. */
export async function addDoorFunctions({ address }: TestTenant): Promise<void> {
  await superuserSql(
    address,
    `set role ${address.database}_own;
     create function public.linger() returns int language sql stable as 'select 1 from pg_sleep(30)';
     create function public.plenty(n int default 9000) returns setof text language sql stable
       as $$ select repeat('x', 1000) from generate_series(1, n) $$;`,
  );
}

export function knockAt(
  door: TenantDoor,
  token: string | undefined,
  knock: Knock = door.whose,
  more: { headers?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<Answer> {
  return call(door.url, token, { ...knock, ...more });
}
