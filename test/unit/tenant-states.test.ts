// The state table of tenants: what is allowed, what is refused and how the refusal helps.
import { expect, test } from 'vitest';
import {
  allMoves,
  isServed,
  movesFrom,
  nextState,
  type TenantMove,
  tenantStates,
} from '../../catalog/tenant-states.ts';
import { Fault } from '../../platform/errors.ts';

test('every move that is not in the table is refused with the moves that are possible', () => {
  const moves = new Set(allMoves().map(({ move }) => move));
  const allowed = new Map(allMoves().map(({ from, move, to }) => [`${from} ${move}`, to]));
  for (const from of tenantStates) {
    for (const move of moves) {
      const to = allowed.get(`${from} ${move}`);
      if (to !== undefined) expect(nextState(from, move)).toBe(to);
      else
        expect(refusal(from, move)).toMatchObject({
          code: 'wrong_state',
          extra: { state: from, possible: movesFrom(from) },
        });
    }
  }
});

test('P16 nothing leads out of purged, and nothing but purged out of purging', () => {
  expect(allMoves().filter(({ from }) => from === 'purged')).toEqual([]);
  expect(allMoves().filter(({ from }) => from === 'purging')).toEqual([
    { from: 'purging', move: 'purged', to: 'purged' },
  ]);
});

test('every state but the last can be left, and every state but the first can be reached', () => {
  const reached = new Set(allMoves().map(({ to }) => to));
  const left = new Set(allMoves().map(({ from }) => from));
  expect(tenantStates.filter((state) => !reached.has(state))).toEqual([]);
  expect(tenantStates.filter((state) => !left.has(state))).toEqual(['purged']);
});

test('only an active tenant is served', () => {
  expect(tenantStates.filter(isServed)).toEqual(['active']);
});

function refusal(from: (typeof tenantStates)[number], move: TenantMove): unknown {
  try {
    return nextState(from, move);
  } catch (error) {
    return error instanceof Fault ? { code: error.code, extra: error.extra } : error;
  }
}
