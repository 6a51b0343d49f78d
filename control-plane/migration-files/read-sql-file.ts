// Owns node-pg-migrate's two forms of SQL: one file with an Up and a Down section, or a pair <name>.up.sql and <name>.down.sql.
import type { Directives } from './directives.ts';
import type { MigrationFile } from './migration-file.ts';
import { scriptOf } from './script-of.ts';

export type SqlSource = { up: string; down?: string };

type Content = Omit<MigrationFile, 'name' | 'hash'>;

/**
 * As node-pg-migrate tells them apart: a pair by the ending of its first name. Lines that are cut away stay as empty ones, so that
 * a line number in an error is that of the file.
 */
export function sqlOf([first, second]: readonly { name: string; text: string }[]): SqlSource {
  if (first === undefined || !/\.up\.sql$/.test(first.name)) return sections(first?.text ?? '');
  return { up: first.text, ...(second !== undefined && { down: second.text }) };
}

/** @throws Error that names line and remedy */
export async function readSqlFile({ up, down }: SqlSource, directives: Directives): Promise<Content> {
  const { noTransaction, irreversible, contractRequires } = directives;
  const upScript = await scriptOf(up, noTransaction);
  if (upScript === undefined) throw new Error('it has nothing under "-- Up Migration"');
  const downScript = down === undefined || irreversible ? undefined : await scriptOf(down, noTransaction);
  return { up: upScript, down: downScript ?? null, program: null, contractRequires };
}

/** As node-pg-migrate cuts it (its sqlMigration), line by line: without the comment, everything is "up". */
function sections(content: string): { up: string; down?: string } {
  const up = content.search(/^[^\S\n]*--(?:[^\S\n]|-)*up[^\S\n]+migration/im);
  const down = content.search(/^[^\S\n]*--(?:[^\S\n]|-)*down[^\S\n]+migration/im);
  const cut = (from: number, to: number) =>
    content.slice(0, from).replace(/[^\n]/g, '') + content.slice(from, to < from ? undefined : to);
  return {
    up: up < 0 ? content : cut(up, down),
    ...(down >= 0 && { down: cut(down, up) }),
  };
}
