// Owns the proof that nothing half-made is left: fsck finds nothing, and no operation is unfinished. Every test of faults and
// operations ends with it.
import { expect } from 'vitest';
import { runFsck } from '../../control-plane/fsck/run-fsck.ts';
import type { Installation } from './installation.ts';

export async function expectCleanSlate({ deps }: Pick<Installation, 'deps'>): Promise<void> {
  const { findings, inProgress } = await runFsck(deps);
  expect(inProgress, 'unfinished operations').toEqual([]);
  expect(
    findings.map(({ code, object, message }) => `${code}: ${object}: ${message}`),
    'findings of fsck',
  ).toEqual([]);
}
