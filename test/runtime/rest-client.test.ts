// The public client of PostgREST, unchanged, against /v1/rest.
import { PostgrestClient, type PostgrestError } from '@supabase/postgrest-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fillRestSample } from '../support/rest-sample.ts';
import {
  call,
  createRuntimeFixture,
  type RunningRuntime,
  type RuntimeFixture,
  type TestTenant,
} from '../support/runtime.ts';

let fixture: RuntimeFixture;
let runtime: RunningRuntime;
let tenant: TestTenant;
let db: Client;

// biome-ignore lint/suspicious/noExplicitAny: the client without generated types
type Client = PostgrestClient<any, { PostgrestVersion: '13' }>;

const clientFor = async (claims: Record<string, unknown>): Promise<Client> =>
  new PostgrestClient(`${runtime.url}/v1/rest`, {
    headers: { authorization: `Bearer ${await fixture.token(tenant.id, claims)}` },
  });

beforeAll(async () => {
  fixture = await createRuntimeFixture();
  tenant = await fixture.addTenant();
  runtime = await fixture.startRuntime();
  await fillRestSample(tenant);
  db = await clientFor({ scope: 'rest' });
});
afterAll(() => fixture.close());

/** Data, or the error itself as a failure that can be read. */
async function got<T>(query: PromiseLike<{ data: T; error: PostgrestError | null }>): Promise<NonNullable<T>> {
  const { data, error } = await query;
  if (error !== null) throw new Error(`${error.code}: ${error.message} ${JSON.stringify(error.details)} ${error.hint}`);
  return data as NonNullable<T>;
}
/** The whole answer. */
const whole = async <T>(query: PromiseLike<T>): Promise<T> => query;

const failed = async (query: PromiseLike<{ error: PostgrestError | null; status: number }>) => {
  const { error, status } = await query;
  return { status, code: error?.code, message: error?.message, details: error?.details, hint: error?.hint };
};

describe('select', () => {
  test('all columns, some, aliases, casts, and numbers without loss', async () => {
    const [alien] = (await got(db.from('films').select().eq('id', 1))) as [Record<string, unknown>];
    expect(alien).toMatchObject({
      id: 1,
      title: 'Alien',
      tags: ['space', 'fear'],
      mood: 'sad',
      rating: 8.5,
      code: 'xxx',
    });
    expect(await got(db.from('films').select('n:id::text,title,initials,big::text').eq('id', 1))).toEqual([
      { n: '1', title: 'Alien', initials: 'A', big: '9007199254740993' },
    ]);
  });

  test('JSON paths', async () => {
    expect(
      await got(
        db
          .from('films')
          .select('info->>year,info->cast->0->>n,y:info->year,deep:info->deep->>a-b,none:info->>zzz')
          .eq('id', 1),
      ),
    ).toEqual([{ year: '1979', n: 'Sigourney', y: 1979, deep: 'x', none: null }]);
    expect(await got(db.from('films').select('id').gt('info->year', 1980))).toEqual([{ id: 2 }]);
    expect(await got(db.from('films').select('id').eq('info->cast->1->>n', 'John'))).toEqual([{ id: 1 }]);
    expect(await got(db.from('films').select('first:tags->0').eq('id', 1))).toEqual([{ first: 'space' }]);
  });

  test('names that need quotes', async () => {
    expect(await got(db.from('Odd "Names').select('"a b","c.d",Ü,select,"x,y":"a b"'))).toEqual([
      { 'a b': 1, 'c.d': 'dot', Ü: 'umlaut', select: 'word', 'x,y': 1 },
    ]);
    expect(await got(db.from('Odd "Names').select('"a b"').eq('"c.d"', 'dot'))).toEqual([{ 'a b': 1 }]);
  });

  test('views', async () => {
    expect(await got(db.from('film_titles').select().order('id').limit(1))).toEqual([{ id: 1, title: 'Alien' }]);
    expect(await got(db.from('project_progress').select('code,tasks').eq('project_id', 1))).toEqual([
      { code: 'APOLLO', tasks: 3 },
    ]);
  });
});

describe('operators', () => {
  test.each<[string, string, string, number[]]>([
    ['id', 'eq', '2', [2]],
    ['id', 'neq', '2', [1, 3]],
    ['id', 'gt', '1', [2, 3]],
    ['id', 'gte', '2', [2, 3]],
    ['id', 'lt', '2', [1]],
    ['id', 'lte', '2', [1, 2]],
    ['title', 'like', 'A*n', [1]],
    ['title', 'like', 'A%', [1]],
    ['title', 'ilike', 'a*', [1]],
    ['title', 'match', '^[AB]', [1, 2]],
    ['title', 'imatch', '^[ab]', [1, 2]],
    ['title', 'in', '("Cube, \\"3\\"",Alien)', [1, 3]],
    ['id', 'in', '()', []],
    ['mood', 'eq', 'sad', [1]],
    ['mood', 'is', 'null', [3]],
    ['mood', 'is', 'not_null', [1, 2]],
    ['mood', 'isdistinct', 'sad', [2, 3]],
    ['words', 'fts', 'alien', [1]],
    ['words', 'fts(english)', 'dreams', [2]],
    ['title', 'plfts', 'alien', [1]],
    ['words', 'phfts(english)', 'aliens in space', [1]],
    ['words', 'wfts(english)', 'dream -alien', [2]],
    ['tags', 'cs', '{fear}', [1]],
    ['tags', 'cd', '{dream,other}', [2, 3]],
    ['tags', 'ov', '{dream,fear}', [1, 2]],
    ['info', 'cs', '{"year":1985}', [2]],
    ['runs', 'cs', '[2,3]', [1]],
    ['runs', 'ov', '[5,25]', [1, 2]],
    ['runs', 'sl', '[15,16]', [1]],
    ['runs', 'sr', '[15,16]', [2]],
    ['runs', 'nxr', '[1,10)', [1]],
    ['runs', 'nxl', '[20,30)', [2]],
    ['runs', 'adj', '[10,12]', [1]],
    ['title', 'like(any)', '{A*,B*}', [1, 2]],
    ['title', 'ilike(all)', '{*i*,*n}', [1]],
    ['id', 'eq(any)', '{1,3}', [1, 3]],
    ['id', 'gt(all)', '{1,2}', [3]],
    ['id', 'not.eq', '2', [1, 3]],
    ['id', 'not.in', '(1,2)', [3]],
    ['words', 'not.fts', 'alien', [2]],
    ['title', 'eq', `'; drop table films; --`, []],
  ])('%s=%s.%s', async (column, operator, value, ids) => {
    const rows = await got(db.from('films').select('id').filter(column, operator, value).order('id'));
    expect(rows.map(({ id }) => id as number)).toEqual(ids);
  });

  test('the same through the methods of the client', async () => {
    const films = () => db.from('films').select('id').order('id');
    const ids = async (query: ReturnType<typeof films>) => (await got(query)).map(({ id }) => id as number);
    expect(await ids(films().match({ id: 1, title: 'Alien' }))).toEqual([1]);
    expect(await ids(films().in('title', ['Alien', 'Brazil, (1985)']))).toEqual([1]);
    expect(await ids(films().contains('tags', ['space']))).toEqual([1]);
    expect(await ids(films().contains('info', { year: 1979 }))).toEqual([1]);
    expect(await ids(films().containedBy('tags', ['space', 'fear']))).toEqual([1, 3]);
    expect(await ids(films().overlaps('tags', ['dream']))).toEqual([2]);
    expect(await ids(films().rangeGt('runs', '[15,16]'))).toEqual([2]);
    expect(await ids(films().rangeLt('runs', '[15,16]'))).toEqual([1]);
    expect(await ids(films().rangeAdjacent('runs', '[10,12]'))).toEqual([1]);
    expect(await ids(films().textSearch('words', 'aliens', { config: 'english', type: 'plain' }))).toEqual([1]);
    expect(await ids(films().likeAnyOf('title', ['A%', 'B%']))).toEqual([1, 2]);
    expect(await ids(films().not('mood', 'is', null))).toEqual([1, 2]);
    expect(await ids(films().is('mood', null))).toEqual([3]);
    expect(await ids(films().or('id.eq.1,and(id.gt.1,mood.is.null)'))).toEqual([1, 3]);
    expect(await ids(films().or('title.eq."Cube, \\"3\\"",tags.cs.{space,fear}'))).toEqual([1, 3]);
    expect(await ids(films().or('id.in.(2,3),not.and(id.gt.0,id.lt.9)'))).toEqual([2, 3]);
    expect(await ids(films().or('info->>year.eq.1985,id.eq.3'))).toEqual([2, 3]);
  });
});

describe('embedding', () => {
  test('to one, to many, through a junction, nested, with filters, order and limit of their own', async () => {
    expect(
      await got(
        db
          .from('projects')
          .select('code,customers(name),lead:members(display_name),tasks(title,assignee:members(display_name))')
          .eq('id', 1)
          .order('number', { referencedTable: 'tasks', ascending: false })
          .limit(2, { referencedTable: 'tasks' }),
      ),
    ).toEqual([
      {
        code: 'APOLLO',
        customers: { name: 'Ada' },
        lead: { display_name: 'Lea' },
        tasks: [
          { title: 'Launch', assignee: null },
          { title: 'Buy fuel', assignee: { display_name: 'Max' } },
        ],
      },
    ]);
    expect(
      await got(
        db.from('films').select('title,actors!roles(name)').order('id').order('name', { referencedTable: 'actors' }),
      ),
    ).toEqual([
      { title: 'Alien', actors: [{ name: 'John' }, { name: 'Sigourney' }] },
      { title: 'Brazil', actors: [{ name: 'John' }] },
      { title: 'Cube, "3"', actors: [] },
    ]);
    expect(await got(db.from('actors').select('name,passports(number)').lte('id', 2).order('id'))).toEqual([
      { name: 'Sigourney', passports: { number: 'P-1' } },
      { name: 'John', passports: null },
    ]);
  });

  test('inner joins and filters on what is embedded', async () => {
    const inner = db.from('projects').select('code,tasks!inner(title)').eq('tasks.priority', 5);
    expect(await got(inner)).toEqual([{ code: 'GEMINI', tasks: [{ title: 'Rest' }] }]);
    expect(await got(db.from('projects').select('code,customers!inner()').eq('customers.name', 'Bob'))).toEqual([
      { code: 'SOYUZ' },
    ]);
    expect(await got(db.from('projects').select('code,tasks(title)').eq('tasks.priority', 1).eq('id', 1))).toEqual([
      { code: 'APOLLO', tasks: [{ title: 'Write the plan' }] },
    ]);
    expect(await got(db.from('projects').select('code,tasks()').is('tasks', null))).toEqual([{ code: 'SOYUZ' }]);
    expect(await got(db.from('projects').select('code,members()').not('members', 'is', null).order('code'))).toEqual([
      { code: 'APOLLO' },
      { code: 'GEMINI' },
    ]);
    expect(
      await got(
        db
          .from('projects')
          .select('code,tasks(number)')
          .or('title.eq.Launch,title.like.Buy*', { referencedTable: 'tasks' })
          .eq('id', 1)
          .order('number', { referencedTable: 'tasks' }),
      ),
    ).toEqual([{ code: 'APOLLO', tasks: [{ number: 2 }, { number: 3 }] }]);
  });

  test('hints, self references, foreign keys by the names of column and constraint', async () => {
    expect(
      await got(
        db
          .from('letters')
          .select('body,from:persons!sender_id(name),to:persons!letters_receiver_id_fkey(name)')
          .eq('id', 1),
      ),
    ).toEqual([{ body: 'hello', from: { name: 'Chief' }, to: { name: 'Clerk' } }]);
    expect(await got(db.from('letters').select('sender_id(name)').eq('id', 2))).toEqual([
      { sender_id: { name: 'Clerk' } },
    ]);
    const ambiguous = await failed(db.from('letters').select('persons(name)'));
    expect(ambiguous).toMatchObject({
      status: 300,
      code: 'PGRST201',
      hint: expect.stringContaining('letters_sender_id_fkey') as string,
    });
    expect(await failed(db.from('films').select('actors(name)'))).toMatchObject({ status: 300, code: 'PGRST201' });
    expect(await failed(db.from('films').select('customers(name)'))).toMatchObject({ status: 400, code: 'PGRST200' });
  });

  test('spread, and order by what is embedded', async () => {
    expect(
      await got(
        db
          .from('projects')
          .select('code,...customers(customer:name)')
          .order('customers(name)', { ascending: false })
          .order('code'),
      ),
    ).toEqual([
      { code: 'SOYUZ', customer: 'Bob' },
      { code: 'APOLLO', customer: 'Ada' },
      { code: 'GEMINI', customer: 'Ada' },
    ]);
    expect(await failed(db.from('customers').select('...projects(code)'))).toMatchObject({
      status: 400,
      code: 'PGRST119',
    });
    expect(await failed(db.from('customers').select('name,projects(code)').order('projects(code)'))).toMatchObject({
      code: 'PGRST118',
    });
  });
});

describe('order, pages, counts, forms of the answer', () => {
  test('order with nulls, pages by limit and range', async () => {
    const ids = async (query: PromiseLike<{ data: { id: unknown }[] | null; error: PostgrestError | null }>) =>
      ((await got(query)) ?? []).map(({ id }) => id);
    expect(await ids(db.from('films').select('id').order('rating', { ascending: false, nullsFirst: true }))).toEqual([
      3, 1, 2,
    ]);
    expect(await ids(db.from('films').select('id').order('rating', { nullsFirst: false }))).toEqual([2, 1, 3]);
    expect(
      await ids(db.from('films').select('id').order('info->year', { ascending: false, nullsFirst: false })),
    ).toEqual([2, 1, 3]);
    expect(await ids(db.from('films').select('id').order('id').limit(2))).toEqual([1, 2]);
    expect(await ids(db.from('films').select('id').order('id').range(1, 5))).toEqual([2, 3]);
  });

  test('counts: exact, planned, estimated; with and without rows', async () => {
    expect(await whole(db.from('films').select('id', { count: 'exact' }).order('id').range(0, 1))).toMatchObject({
      status: 206,
      count: 3,
    });
    expect(await whole(db.from('films').select('id', { count: 'exact' }))).toMatchObject({ status: 200, count: 3 });
    expect(await whole(db.from('films').select('*', { count: 'exact', head: true }).gt('id', 1))).toMatchObject({
      data: null,
      count: 2,
    });
    expect(
      await whole(db.from('projects').select('id,tasks!inner()', { count: 'exact' }).eq('tasks.priority', 5).limit(1)),
    ).toMatchObject({ count: 1 });
    const planned = await whole(db.from('films').select('id', { count: 'planned' }).gt('id', 0));
    expect(planned.count).toBeGreaterThan(0);
    expect(await whole(db.from('films').select('id', { count: 'estimated' }).limit(1))).toMatchObject({
      count: 3,
      status: 206,
    });
    expect(await failed(db.from('films').select('id', { count: 'exact' }).range(50, 60))).toMatchObject({
      status: 416,
      code: 'PGRST103',
    });
  });

  test('one object, perhaps one, CSV, nulls stripped', async () => {
    expect(await got(db.from('films').select('id').eq('id', 1).single())).toEqual({ id: 1 });
    expect(await got(db.from('films').select('id').eq('id', 99).maybeSingle())).toBeNull();
    expect(await failed(db.from('films').select('id').single())).toMatchObject({
      status: 406,
      code: 'PGRST116',
      details: 'The result contains 3 rows',
    });
    expect(await got(db.from('films').select('id,title,mood,tags').order('id').csv())).toBe(
      'id,title,mood,tags\n1,Alien,sad,"{space,fear}"\n2,Brazil,glad,{dream}\n3,"Cube, ""3""",,{}',
    );
    expect(await got(db.from('films').select('id,mood').eq('id', 3).stripNulls())).toEqual([{ id: 3 }]);
  });
});

describe('writing', () => {
  test('insert one and many, with and without what was written', async () => {
    expect(await whole(db.from('plain').insert({ a: 1, b: 'x' }))).toMatchObject({
      status: 201,
      data: null,
      error: null,
    });
    expect(
      await got(
        db
          .from('plain')
          .insert([{ a: 2, b: 'y' }, { a: 3 }])
          .select(),
      ),
    ).toEqual([
      { a: 2, b: 'y' },
      { a: 3, b: null },
    ]);
    const customer = await got(
      db
        .from('customers')
        .insert({ name: 'Dan', email: 'dan@example.com', country: 'DE' })
        .select('name,projects(code)')
        .single(),
    );
    expect(customer).toEqual({ name: 'Dan', projects: [] });
    expect(
      await got(
        db
          .from('films')
          .insert({ id: 10, title: 'New', big: '9007199254740993', info: { a: [1] }, tags: ['t'], blob: '\\xdead' })
          .select('big::text,info,tags,blob,code'),
      ),
    ).toEqual([{ big: '9007199254740993', info: { a: [1] }, tags: ['t'], blob: '\\xdead', code: 'xxx' }]);
    expect(await whole(db.from('plain').insert([], { count: 'exact' }))).toMatchObject({ status: 201 });
  });

  test('defaults for what a row leaves out', async () => {
    const rows = [{ name: 'Only name' }, { name: 'With note', note: 'mine' }];
    expect(
      await got(db.from('actors').insert(rows, { defaultToNull: false }).select('name,note').order('name')),
    ).toEqual([
      { name: 'Only name', note: 'new' },
      { name: 'With note', note: 'mine' },
    ]);
    expect(
      await got(
        db
          .from('actors')
          .insert([{ name: 'Nil' }, { name: 'Nil too', note: 'x' }])
          .select('name,note')
          .order('name'),
      ),
    ).toEqual([
      { name: 'Nil', note: null },
      { name: 'Nil too', note: 'x' },
    ]);
  });

  test('upsert: merge and ignore, by primary key and by a unique column', async () => {
    expect(await got(db.from('persons').upsert({ id: 3, name: 'Keeper' }).select('id,name,boss_id'))).toEqual([
      { id: 3, name: 'Keeper', boss_id: 1 },
    ]);
    expect(
      await got(
        db
          .from('persons')
          .upsert(
            [
              { id: 3, name: 'Lost' },
              { id: 4, name: 'Kim' },
            ],
            { ignoreDuplicates: true },
          )
          .select('id'),
      ),
    ).toEqual([{ id: 4 }]);
    expect(
      await got(db.from('actors').upsert({ name: 'Nobody', note: 'known' }, { onConflict: 'name' }).select('id,note')),
    ).toEqual([{ id: 3, note: 'known' }]);
    expect(await failed(db.from('actors').upsert({ name: 'x' }, { onConflict: 'note' }))).toMatchObject({
      status: 400,
      code: '42P10',
    });
  });

  test('update and delete by filter, counted, with what was written', async () => {
    await got(
      db.from('plain').insert([
        { a: 50, b: 'u' },
        { a: 51, b: 'u' },
        { a: 52, b: 'v' },
      ]),
    );
    expect(await got(db.from('plain').update({ b: 'w' }).eq('b', 'u').select('a').order('a'))).toEqual([
      { a: 50 },
      { a: 51 },
    ]);
    expect(await whole(db.from('plain').update({ b: 'z' }, { count: 'exact' }).gte('a', 50))).toMatchObject({
      status: 204,
      count: 3,
    });
    expect(await got(db.from('plain').update({}).gte('a', 50).select())).toEqual([]);
    expect(
      await got(db.from('projects').update({ name: 'Moon II' }).eq('id', 1).select('name,customers(name)')),
    ).toEqual([{ name: 'Moon II', customers: { name: 'Ada' } }]);
    expect(await got(db.from('plain').delete().or('a.eq.50,a.eq.51').select('a').order('a'))).toEqual([
      { a: 50 },
      { a: 51 },
    ]);
    expect(await whole(db.from('plain').delete({ count: 'exact' }).eq('a', 52))).toMatchObject({
      status: 204,
      count: 1,
    });
  });

  test('what is not to be kept is not: too many rows, not one object, rollback', async () => {
    const names = async () =>
      (await got(db.from('persons').select('name').order('id'))).map(({ name }) => name as string);
    const before = await names();
    expect(await failed(db.from('persons').update({ name: 'all' }).gt('id', 0).maxAffected(1))).toMatchObject({
      status: 400,
      code: 'PGRST124',
    });
    expect(await failed(db.from('persons').update({ name: 'all' }).gt('id', 0).select().single())).toMatchObject({
      status: 406,
      code: 'PGRST116',
    });
    expect(await got(db.from('persons').update({ name: 'all' }).eq('id', 1).select('name').rollback())).toEqual([
      { name: 'all' },
    ]);
    expect(await names()).toEqual(before);
    expect(await got(db.from('persons').update({ name: 'one' }).eq('id', 1).select('name').maxAffected(1))).toEqual([
      { name: 'one' },
    ]);
  });
});

describe('functions', () => {
  test('scalars, sets, rows, nothing; named, default, variadic and whole arguments', async () => {
    expect(await got(db.rpc('add', { a: 2, b: 3 }))).toBe(5);
    expect(await got(db.rpc('add', { a: 2 }, { get: true }))).toBe(3);
    expect(await got(db.rpc('now_is'))).toBe('now');
    expect(await whole(db.rpc('nothing'))).toMatchObject({ status: 204, data: null, error: null });
    expect(await got(db.rpc('numbers', { up: 3 }))).toEqual([1, 2, 3]);
    expect(await got(db.rpc('pairs', { n: 3 }).gt('k', 1).order('k', { ascending: false }))).toEqual([
      { k: 3, v: 'v3' },
      { k: 2, v: 'v2' },
    ]);
    expect(
      await got(db.rpc('films_after', { year: 1970 }).select('title,actors!roles(name)').eq('mood', 'glad')),
    ).toEqual([{ title: 'Brazil', actors: [{ name: 'John' }] }]);
    expect(await got(db.rpc('films_after', { year: 1970 }, { get: true }).select('id').order('id').limit(1))).toEqual([
      { id: 1 },
    ]);
    expect(await whole(db.rpc('films_after', { year: 1970 }, { count: 'exact' }).select('id').limit(1))).toMatchObject({
      count: 2,
    });
    expect(await got(db.rpc('one_film', { film: 2 }).select('title'))).toEqual({ title: 'Brazil' });
    expect(await got(db.rpc('sum_of', { items: [1, 2, 3] }))).toBe(6);
    expect(await got(db.rpc('sum_of', { items: [1, 2, 3] }, { get: true }))).toBe(6);
    expect(await got(db.rpc('echo', { any: { thing: [1] } }))).toEqual({ any: { thing: [1] } });
    expect(await got(db.rpc('pick', { b: 'x' }))).toBe('text');
    expect(await got(db.rpc('next_task_number', { project: 1 }))).toBe(4);
    expect(await whole(db.rpc('rename_film', { film: 2, to_title: 'Brasil' }))).toMatchObject({ status: 204 });
    expect(await got(db.from('films').select('title').eq('id', 2).single())).toEqual({ title: 'Brasil' });
  });

  test('errors: unknown, unfit arguments, a write by GET, errors of its own', async () => {
    expect(await failed(db.rpc('missing'))).toMatchObject({ status: 404, code: 'PGRST202' });
    expect(await failed(db.rpc('add', { c: 1 }))).toMatchObject({
      status: 404,
      code: 'PGRST202',
      hint: expect.stringContaining('public.add') as string,
    });
    expect(await failed(db.rpc('rename_film', { film: 1, to_title: 'x' }, { get: true }))).toMatchObject({
      status: 405,
      code: '25006',
    });
    expect(await failed(db.rpc('boom'))).toMatchObject({
      status: 400,
      code: 'P0001',
      message: 'no',
      details: 'because',
      hint: 'stop',
    });
    expect(await failed(db.rpc('teapot'))).toMatchObject({ status: 418, code: 'PT418', message: 'short and stout' });
  });
});

describe('who asks', () => {
  test('what is refused before it is a request of this API is told in the words that the client reads: 400, 401, 403, 413, 429', async () => {
    const strict = await fixture.startRuntime({
      FREEHOLD_RUNTIME_REFUSED_TOKENS_PER_MINUTE: '2',
      FREEHOLD_RUNTIME_BODY_BYTES_MAX: '2048',
    });
    const as = (token: string): Client =>
      new PostgrestClient(`${strict.url}/v1/rest`, { headers: { authorization: `Bearer ${token}` } });
    const good = as(await fixture.token(tenant.id, { scope: 'rest' }));
    const words = { message: expect.any(String) as string, details: null, hint: expect.any(String) as string };
    expect(await failed(good.from('plain').insert({ a: 'x'.repeat(3_000) }))).toEqual({
      status: 413,
      code: 'body_too_large',
      ...words,
    });
    const scope = as(await fixture.token(tenant.id, { scope: 'sql' }));
    expect(await failed(scope.from('plain').select())).toEqual({ status: 403, code: 'scope_missing', ...words });
    const bad = as('none');
    for (const [status, code] of [
      [401, 'token_invalid'],
      [401, 'token_invalid'],
      [429, 'rate_limited'],
    ]) {
      expect(await failed(bad.from('plain').select())).toEqual({ status, code, ...words });
    }
    const json = await call(strict.url, await fixture.token(tenant.id, { scope: 'rest' }), {
      path: '/v1/rest/plain',
      method: 'POST',
      body: '{',
    });
    expect(json).toMatchObject({ status: 400, body: { code: 'invalid_json', ...words } });
    expect((await got(good.from('plain').select('a').limit(1))).length).toBeLessThan(2);
    await strict.close();
  });

  test('row-level policies see the claims; a reader cannot write', async () => {
    for (const sub of ['ada', 'bob']) {
      const client = await clientFor({ scope: 'rest:read', sub });
      expect(await got(client.from('secrets').select('body'))).toEqual([{ body: `of ${sub}` }]);
      expect(await got(client.rpc('who', {}, { get: true }))).toBe(sub);
      expect(
        await got(
          (await clientFor({ scope: 'rest', sub }))
            .from('secrets')
            .update({ body: `of ${sub}` })
            .gt('id', 0)
            .select('owner'),
        ),
      ).toEqual([{ owner: sub }]);
      expect(await failed(client.from('plain').insert({ a: 1 }))).toMatchObject({ status: 403, code: 'scope_missing' });
      expect(await failed(client.from('plain').delete().eq('a', 1))).toMatchObject({ status: 403 });
      expect(await failed(client.rpc('rename_film', { film: 1, to_title: 'x' }))).toMatchObject({
        status: 405,
        code: '25006',
      });
    }
    const eve = await clientFor({ scope: 'rest', sub: 'eve' });
    expect(await failed(eve.from('secrets').insert({ id: 9, owner: 'ada', body: 'x' }))).toMatchObject({
      status: 403,
      code: '42501',
    });
    expect(await failed((await clientFor({ scope: 'sql' })).from('plain').select())).toMatchObject({
      status: 403,
      code: 'scope_missing',
    });
  });

  test('errors of the schema and of values have the codes and statuses of the dialect', async () => {
    expect(await failed(db.from('nowhere').select())).toMatchObject({ status: 404, code: 'PGRST205' });
    expect(await failed(db.from('films').select('nothing'))).toMatchObject({
      status: 400,
      code: '42703',
      message: 'column films.nothing does not exist',
    });
    expect(await failed(db.from('films').select().eq('nothing', 1))).toMatchObject({ status: 400, code: '42703' });
    expect(await failed(db.from('films').select().eq('id', 'abc'))).toMatchObject({ status: 400, code: '22P02' });
    expect(await failed(db.from('films').insert({ id: 1, title: 'again' }))).toMatchObject({
      status: 409,
      code: '23505',
    });
    expect(await failed(db.from('roles').insert({ film_id: 77, actor_id: 1 }))).toMatchObject({
      status: 409,
      code: '23503',
    });
    expect(await failed(db.from('films').insert({ id: 78 }))).toMatchObject({ status: 400, code: '23502' });
    expect(await failed(db.from('films').insert({ nothing: 1 }))).toMatchObject({ status: 400, code: 'PGRST204' });
    expect(await failed(db.from('films').select('id::nothing'))).toMatchObject({ status: 400, code: '42704' });
    expect(await failed(db.from('customers').insert({ id: 5, name: 'x', email: 'a@b' }))).toMatchObject({
      status: 400,
      code: '428C9',
    });
  });
});
