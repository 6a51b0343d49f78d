// Owns beginning a migration file: a number behind all others of the folder, and what must stand in it.
import fs from 'node:fs';
import path from 'node:path';
import { CliError } from './cli-error.ts';

/** @returns its path @throws CliError */
export function writeMigration(
  folder: string,
  { name, isTs, transaction }: { name: string; isTs: boolean; transaction: boolean },
): string {
  const file = path.join(folder, `${stampBehind(fs.readdirSync(folder))}_${name}.${isTs ? 'ts' : 'sql'}`);
  try {
    fs.writeFileSync(file, isTs ? builderTemplate(transaction) : sqlTemplate(transaction), { flag: 'wx' });
  } catch (cause) {
    throw new CliError(`${file} cannot be written.`, { cause });
  }
  return file;
}

/** 17 digits: now, or a millisecond after the last one, should that lie in the future. */
function stampBehind(entries: readonly string[]): string {
  const moments = entries.map((entry) => momentOf(entry)).filter((moment) => !Number.isNaN(moment));
  const moment = Math.max(Date.now(), ...moments.map((each) => each + 1));
  return new Date(moment).toISOString().replace(/\D/g, '');
}

function momentOf(entry: string): number {
  const utc = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d{3})\D/.exec(entry);
  if (utc === null) return Number.NaN;
  const [year, month, day, hour, minute, second, ms] = utc.slice(1);
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`);
}

function sqlTemplate(transaction: boolean): string {
  const head = transaction ? '' : '-- freehold: no-transaction\n';
  return `${head}-- Up Migration\n\n\n-- Down Migration\n\n`;
}

function builderTemplate(transaction: boolean): string {
  const first = transaction ? '' : '  pgm.noTransaction();\n';
  return `import type { MigrationBuilder } from 'node-pg-migrate';

export const up = (pgm: MigrationBuilder): void => {
${first}};

export const down = (pgm: MigrationBuilder): void => {
${first}};
`;
}
