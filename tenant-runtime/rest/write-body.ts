// Owns reading the rows that a request brings: which columns they name, all of the same ones, and the text as it came, because a
// number that went through JavaScript is no longer the number that was sent.
import { RestError } from './rest-error.ts';
import type { Column, Table } from './tenant-schema.ts';

export type WriteBody = {
  readonly columns: readonly Column[];
  /** The JSON document as it was sent. */
  readonly text: string;
  readonly isArray: boolean;
  readonly rows: number;
};

/**
 * @param value the parsed document, @param text the same as it came
 * @param only from the parameter `columns`: other members are ignored, and rows need not be alike
 * @throws RestError PGRST102, PGRST204
 */
export function writeBodyOf(
  table: Table,
  value: unknown,
  text: string,
  only: readonly string[] | undefined,
): WriteBody {
  const rows: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (!rows.every(isObject)) throw new RestError('PGRST102', 'The body must be a JSON object or an array of objects');
  const names = only ?? sharedKeys(rows);
  const columns = [...new Set(names)].map((name) => {
    const column = table.columns.get(name);
    if (column !== undefined) return column;
    throw new RestError('PGRST204', `Could not find the '${name}' column of '${table.name}' in the schema cache`);
  });
  if (columns.length === 0 && rows.length > 1) {
    throw new RestError('PGRST102', 'Rows without any column can be inserted one at a time only');
  }
  return { columns, text, isArray: Array.isArray(value), rows: rows.length };
}

function sharedKeys(rows: readonly Record<string, unknown>[]): string[] {
  const keys = Object.keys(rows[0] ?? {});
  const alike = rows.every(
    (row) => Object.keys(row).length === keys.length && keys.every((key) => Object.hasOwn(row, key)),
  );
  if (!alike) throw new RestError('PGRST102', 'All object keys must match');
  return keys;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
