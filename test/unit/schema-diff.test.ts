// The comparison of two schemas: what is told, what may be repaired, and by which statements.
import { describe, expect, test } from 'vitest';
import { diffSchemas, statementsFor } from '../../control-plane/rollouts/look/schema-diff.ts';

const index = 'CREATE INDEX tasks_due ON public.tasks USING btree (due)';

describe('M12 schema differences', () => {
  test('equal schemas have none, whatever the order', () => {
    expect(
      diffSchemas({ 'table TABLE a': 'x', 'table TABLE b': 'y' }, { 'table TABLE b': 'y', 'table TABLE a': 'x' }),
    ).toEqual([]);
  });

  test('missing, unexpected and different, by kind and object', () => {
    const found = diffSchemas(
      { 'index public.tasks_due': index, 'column public.a.b': 'integer' },
      { 'column public.a.b': 'bigint', 'column public.a.c': 'text' },
    );
    expect(found.map(({ kind, object, change, repairable }) => ({ kind, object, change, repairable }))).toEqual([
      { kind: 'column', object: 'public.a.b', change: 'different', repairable: false },
      { kind: 'column', object: 'public.a.c', change: 'unexpected', repairable: false },
      { kind: 'index', object: 'public.tasks_due', change: 'missing', repairable: true },
    ]);
  });

  test('of what is missing or unexpected as a whole, parts and rights are not told again', () => {
    const added = {
      'table public.b': '',
      'column public.b.id': 'bigint',
      'constraint public.b.b_pkey': 'PRIMARY KEY (id)',
      'owner TABLE public.b': '<database>_own',
      'grant TABLE public.b TO PUBLIC': 'SELECT',
      'column-grant public.b.id TO <database>_ro': 'UPDATE',
      'function public.f(integer)': 'x',
      'grant ROUTINE public.f(integer) TO PUBLIC': 'EXECUTE',
      'column public.a.id': 'bigint',
    };
    const named = (found: { kind: string; object: string }[]) => found.map(({ kind, object }) => `${kind} ${object}`);
    const whole = ['column public.a.id', 'function public.f(integer)', 'table public.b'];
    expect(named(diffSchemas({ 'table public.a': '' }, { 'table public.a': '', ...added }))).toEqual(whole);
    expect(named(diffSchemas({ 'table public.a': '', ...added }, { 'table public.a': '' }))).toEqual(whole);
  });

  const one = (key: string, expected?: string, found?: string) => {
    const [difference] = diffSchemas(
      expected === undefined ? {} : { [key]: expected },
      found === undefined ? {} : { [key]: found },
    );
    if (difference === undefined) throw new Error('a difference was expected');
    return { repairable: difference.repairable, statements: statementsFor(difference, 't_1') };
  };

  test('an index is made without locking anybody out; an invalid one is taken away first', () => {
    const create = index.replace('INDEX', 'INDEX CONCURRENTLY');
    expect(one('index public.tasks_due', index)).toEqual({ repairable: true, statements: [create] });
    expect(one('index public.tasks_due', index, `${index} [invalid]`)).toEqual({
      repairable: true,
      statements: ['DROP INDEX CONCURRENTLY public.tasks_due', create],
    });
  });

  test('an index that somebody has added or made otherwise is not ours to drop, nor a unique one to make', () => {
    expect(one('index public.x', undefined, index).repairable).toBe(false);
    expect(one('index public.tasks_due', index, `${index} WHERE true`).repairable).toBe(false);
    expect(one('index public.u', 'CREATE UNIQUE INDEX u ON public.tasks USING btree (id)').repairable).toBe(false);
  });

  test('grants: what is too much is revoked, what lacks is granted', () => {
    expect(one('grant TABLE public.a TO PUBLIC', undefined, 'INSERT, SELECT')).toEqual({
      repairable: true,
      statements: ['REVOKE INSERT, SELECT ON TABLE public.a FROM PUBLIC'],
    });
    expect(one('grant TABLE public.a TO <database>_ro', 'SELECT', 'SELECT WITH GRANT OPTION').statements).toEqual([
      'REVOKE SELECT ON TABLE public.a FROM t_1_ro',
      'GRANT SELECT ON TABLE public.a TO t_1_ro',
    ]);
    expect(one('grant TABLE public.a TO <database>_ro', 'SELECT').statements).toEqual([
      'GRANT SELECT ON TABLE public.a TO t_1_ro',
    ]);
  });

  test('an owner and a column are for a person, with the statement', () => {
    expect(one('owner TABLE public.a', '<database>_own', '<database>_app_a')).toEqual({
      repairable: false,
      statements: ['ALTER TABLE public.a OWNER TO t_1_own'],
    });
    expect(one('column public.a.c', undefined, 'text').statements).toEqual(['ALTER TABLE public.a DROP COLUMN c']);
  });
});
