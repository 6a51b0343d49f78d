import { describe, expect, test } from 'vitest';
import { randomPassword, scramVerifier } from '../../platform/postgres/scram.ts';
import { openSession } from '../../platform/postgres/session.ts';
import { createScratchDatabase, tenantCluster } from '../support/clusters.ts';

describe('scramVerifier', () => {
  test('computes what PostgreSQL computes', async () => {
    // Made by PostgreSQL 18 for the password 'pencil'; salt and iterations taken from its answer.
    const scratch = await createScratchDatabase(tenantCluster('a'));
    const session = await openSession(scratch.address, { applicationName: 'freehold-test' });
    await session.script(`CREATE ROLE scratch_scram PASSWORD 'pencil'`);
    const { rows } = await session.query<{ v: string }>(
      `SELECT rolpassword AS v FROM pg_authid WHERE rolname = 'scratch_scram'`,
    );
    await session.script('DROP ROLE scratch_scram');
    await session.close();
    await scratch.drop();
    const verifier = rows[0]?.v as string;
    const [, iterations, salt] = /^SCRAM-SHA-256\$(\d+):([^$]+)\$/.exec(verifier) as RegExpExecArray;
    expect(scramVerifier('pencil', Number(iterations), Buffer.from(salt as string, 'base64'))).toBe(verifier);
  });

  test('has 256 iterations and a salt of its own each time', () => {
    expect(scramVerifier('pencil')).toMatch(
      /^SCRAM-SHA-256\$256:[A-Za-z0-9+/=]{24}\$[A-Za-z0-9+/=]{44}:[A-Za-z0-9+/=]{44}$/,
    );
    expect(scramVerifier('pencil')).not.toBe(scramVerifier('pencil'));
  });

  test.each(['', 'with space', 'ümlaut', 'tab\t'])('refuses %j', (password) => {
    expect(() => scramVerifier(password)).toThrow(TypeError);
  });

  test('random passwords have 256 bits and fit in a URL', () => {
    expect(randomPassword()).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(randomPassword()).not.toBe(randomPassword());
  });
});
