import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openSession, type Session } from '../../platform/postgres/session.ts';
import { parameterOf, parseArray } from '../../platform/postgres/values.ts';
import { createScratchDatabase, type ScratchDatabase, tenantCluster } from '../support/clusters.ts';

describe('values on their way to PostgreSQL and back', () => {
  let scratch: ScratchDatabase;
  let session: Session;
  beforeAll(async () => {
    scratch = await createScratchDatabase(tenantCluster('a'));
    session = await openSession(scratch.address, { applicationName: 'freehold-test' });
  });
  afterAll(async () => {
    await session.close();
    await scratch.drop();
  });

  const roundTrip = async (type: string, value: unknown) =>
    (await session.query<{ v: unknown }>(`SELECT $1::${type} AS v`, [value])).rows[0]?.v;

  test.each([
    ['int4', 7, 7],
    ['int8', 7, '7'],
    ['int8', 9007199254740993n, '9007199254740993'],
    ['numeric', '1.10', '1.10'],
    ['float8', 0.1, 0.1],
    ['bool', true, true],
    ['bool', false, false],
    ['text', 'null', 'null'],
    ['text', null, null],
    ['timestamptz', new Date(1234567890123), new Date(1234567890123)],
    ['timestamptz', 'infinity', 'infinity'],
    ['date', '2024-02-29', '2024-02-29'],
    ['timestamp', '2024-02-29 01:02:03', '2024-02-29 01:02:03'],
    ['bytea', Buffer.from([0, 255]), Buffer.from([0, 255])],
    ['jsonb', { a: [1, null, 'x'] }, { a: [1, null, 'x'] }],
    ['jsonb', [1, 2], [1, 2]],
    ['json', '{"a":1}', { a: 1 }],
    ['jsonb', 5, 5],
    ['text[]', [], []],
    ['text[]', ['a', null, 'NULL', '', '"\\,{}'], ['a', null, 'NULL', '', '"\\,{}']],
    [
      'int4[]',
      [
        [1, 2],
        [3, 4],
      ],
      [
        [1, 2],
        [3, 4],
      ],
    ],
    ['int8[]', [1n], ['1']],
    ['bool[]', [true, false], [true, false]],
    ['uuid[]', ['00000000-0000-0000-0000-000000000001'], ['00000000-0000-0000-0000-000000000001']],
    ['jsonb[]', [{ a: 1 }, { b: '"' }], [{ a: 1 }, { b: '"' }]],
    ['timestamptz[]', [new Date(0)], [new Date(0)]],
    ['bytea[]', [Buffer.from('hi')], [Buffer.from('hi')]],
  ])('%s: %o', async (type, value, expected) => {
    for (let time = 0; time < 3; time++) expect(await roundTrip(type, value)).toEqual(expected); // the third is prepared
  });

  test('any array of strings comes back as it went', async () => {
    const strings = fc.array(
      fc.option(
        fc.string({ unit: 'binary' }).filter((s) => !s.includes('\0')),
        { nil: null },
      ),
    );
    await fc.assert(
      fc.asyncProperty(strings, async (list) => {
        expect(await roundTrip('text[]', list)).toEqual(list);
      }),
      { numRuns: 200 },
    );
  });

  test('undefined is refused, not turned into NULL', () => {
    expect(() => parameterOf(undefined)).toThrow(TypeError);
  });

  test('a zero byte in a statement cannot smuggle protocol', async () => {
    await expect(session.query('SELECT 1\0Q')).rejects.toMatchObject({ sqlstate: '22021' });
    await expect(session.query('SELECT $1::text', ['a\0b'])).rejects.toMatchObject({ sqlstate: '22021' });
    expect(session.usable).toBe(true);
  });

  test('a malformed array throws instead of looping', () => {
    for (const text of ['{', '{"a', '{a', '']) expect(() => parseArray(text, (x) => x)).toThrow(TypeError);
  });

  test('queryRaw takes text and gives text, with the types beside it', async () => {
    const raw = await session.queryRaw(
      `SELECT $1::bool AS a, $2::json AS b, $3::bytea AS c, $4::int8 AS a, NULL AS d`,
      ['true', '{"x": 1}', '\\x41', '5'],
    );
    expect(raw.rows).toEqual([['t', '{"x": 1}', '\\x41', '5', null]]);
    expect(raw.fields.map(({ name, typeOid }) => [name, typeOid])).toEqual([
      ['a', 16],
      ['b', 114],
      ['c', 17],
      ['a', 20],
      ['d', 25],
    ]);
    expect(raw).toMatchObject({ rowCount: 1, command: 'SELECT' });
  });
});
