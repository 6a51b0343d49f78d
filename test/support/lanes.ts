// Owns lanes written down in a test, read as a folder of SQL files is, and the options of one database's part of a rollout.
import { createHash, randomUUID } from 'node:crypto';
import { readDirectives } from '../../control-plane/migration-files/directives.ts';
import { laneHash, stampOf } from '../../control-plane/migration-files/lane-hash.ts';
import type { Lane, MigrationFile } from '../../control-plane/migration-files/migration-file.ts';
import { readSqlFile, sqlOf } from '../../control-plane/migration-files/read-sql-file.ts';
import type { MigrateOptions } from '../../control-plane/postgres/tenant-database.ts';

/** Each text is a file with its sections and directives; they are numbered behind `after`. */
export async function laneOfTexts(texts: readonly string[], after?: Lane): Promise<Lane> {
  const before = after?.files ?? [];
  const files = [...before];
  for (const text of texts) {
    const hash = createHash('sha256').update(text).digest('hex');
    const name = `${20_270_101_000_000_000n + BigInt(files.length)}_file`;
    const content = await readSqlFile(sqlOf([{ name: `${name}.sql`, text }]), readDirectives(text));
    files.push({ name, hash, ...content });
  }
  return laneOfFiles(files);
}

export function laneOfFiles(files: readonly MigrationFile[]): Lane {
  return { name: 'tenant', files, version: stampOf(files.at(-1)?.name ?? ''), hash: laneHash(files) };
}

export function migrateOptions(more: Partial<MigrateOptions> = {}): MigrateOptions {
  return {
    direction: 'up',
    run: randomUUID(),
    actor: 'test',
    lockTimeoutMs: 1_000,
    lockRetries: 0,
    statementTimeoutMs: 30_000,
    probe: null,
    ...more,
  };
}
