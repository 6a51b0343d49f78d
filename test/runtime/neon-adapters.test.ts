// The adapters of drizzle and kysely for Neon's driver, unchanged, against POST /v1/sql.
import { neon, neonConfig } from '@neondatabase/serverless';
import { eq, sql as fragment } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/neon-http';
import { bigint, boolean, integer, jsonb, numeric, pgTable, text, timestamp } from 'drizzle-orm/pg-core';
import { type Generated, Kysely, sql } from 'kysely';
import { NeonDialect } from 'kysely-neon';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRuntimeFixture, type RuntimeFixture, type TestTenant } from '../support/runtime.ts';
import { superuserSql } from '../support/superuser-sql.ts';

let fixture: RuntimeFixture;
let tenant: TestTenant;
let token: string;

beforeAll(async () => {
  fixture = await createRuntimeFixture();
  tenant = await fixture.addTenant();
  token = await fixture.token(tenant.id);
  const runtime = await fixture.startRuntime();
  neonConfig.fetchEndpoint = `${runtime.url}/v1/sql`;
  neonConfig.disableWarningInBrowsers = true;
  await superuserSql(
    tenant.address,
    `set role ${tenant.address.database}_own;
     create table public.things (id int generated always as identity primary key, name text not null unique, big bigint, price numeric(10,2),
       tags text[], info jsonb, done boolean not null default false, made timestamptz not null default now());
     create table public.parts (thing_id int not null references public.things, part text not null)`,
  );
});
afterAll(() => fixture.close());

const client = () => neon('postgres://nobody:ignored@elsewhere.example/nothing', { authToken: () => token });

const things = pgTable('things', {
  id: integer().generatedAlwaysAsIdentity().primaryKey(),
  name: text().notNull(),
  big: bigint({ mode: 'bigint' }),
  price: numeric(),
  tags: text().array(),
  info: jsonb().$type<{ a: number[] }>(),
  done: boolean().notNull().default(false),
  made: timestamp({ withTimezone: true }).notNull().defaultNow(),
});
const parts = pgTable('parts', { thingId: integer('thing_id').notNull(), part: text().notNull() });

test('drizzle: types, joins, upsert, batches that are one transaction', async () => {
  const db = drizzle(client());
  const made = new Date('2026-02-03T04:05:06.789Z');
  const row = {
    name: 'd1',
    big: 9007199254740993n,
    price: '12.50',
    tags: ['a,b', '"q"'],
    info: { a: [1, 2] },
    done: true,
    made,
  };
  const [written] = await db.insert(things).values(row).returning();
  expect(written).toMatchObject(row);
  const id = written?.id as number;
  await db.insert(parts).values([
    { thingId: id, part: 'p1' },
    { thingId: id, part: 'p2' },
  ]);
  const joined = await db
    .select({ name: things.name, part: parts.part })
    .from(things)
    .innerJoin(parts, eq(parts.thingId, things.id))
    .orderBy(parts.part);
  expect(joined).toEqual([
    { name: 'd1', part: 'p1' },
    { name: 'd1', part: 'p2' },
  ]);
  await db
    .insert(things)
    .values({ name: 'd1' })
    .onConflictDoUpdate({ target: things.name, set: { done: false } });
  const results = await db.batch([
    db.select({ done: things.done }).from(things).where(eq(things.id, id)),
    db.update(things).set({ tags: null }).where(eq(things.id, id)).returning({ tags: things.tags }),
  ]);
  expect(results).toEqual([[{ done: false }], [{ tags: null }]]);
  const half = db.batch([
    db.insert(things).values({ name: 'half' }),
    db.insert(things).values({ name: fragment`null` as unknown as string }),
  ]);
  await expect(half).rejects.toMatchObject({ code: '23502', column: 'name' });
  expect(await db.select().from(things).where(eq(things.name, 'half'))).toEqual([]);
});

type Tables = {
  things: { id: Generated<number>; name: string; tags: string[] | null; info: unknown; done: Generated<boolean> };
};

test('kysely: typed queries, raw SQL, errors with their fields', async () => {
  const db = new Kysely<Tables>({ dialect: new NeonDialect({ neon: client() }) });
  const written = await db
    .insertInto('things')
    .values({ name: 'k1', tags: ['x', 'y'], info: JSON.stringify({ b: null }) })
    .returning(['name', 'tags', 'info', 'done'])
    .executeTakeFirstOrThrow();
  expect(written).toEqual({ name: 'k1', tags: ['x', 'y'], info: { b: null }, done: false });
  const updated = await db.updateTable('things').set({ done: true }).where('name', '=', 'k1').executeTakeFirst();
  expect(updated.numUpdatedRows).toBe(1n);
  const { rows } = await sql<{ n: string }>`select count(*) as n from things where done and name = ${'k1'}`.execute(db);
  expect(rows).toEqual([{ n: '1' }]);
  const again = db.insertInto('things').values({ name: 'k1', tags: null, info: null }).execute();
  await expect(again).rejects.toMatchObject({
    code: '23505',
    constraint: 'things_name_key',
    table: 'things',
    schema: 'public',
  });
  const removed = await db.deleteFrom('things').where('name', '=', 'k1').executeTakeFirst();
  expect(removed.numDeletedRows).toBe(1n);
  await db.destroy();
});
