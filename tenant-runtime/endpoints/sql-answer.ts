// Owns the answers of the SQL endpoint in the format of Neon's HTTP driver, which is that of node-postgres: fields, rows,
// command, rowCount; and errors with the fields of PostgreSQL's own. Nothing here knows sessions or tenants.
import type { PostgresError } from '../../platform/postgres/errors.ts';
import type { RawResult } from '../../platform/postgres/session.ts';
import { parseArray } from '../../platform/postgres/values.ts';

/** JSON text of one result. */
export function resultJson(result: RawResult, options: { rawText: boolean; arrayMode: boolean }): string {
  const { fields, rows } = result;
  const command = firstWord(result.command);
  return JSON.stringify({
    command,
    // Null where the command counts no rows, as node-postgres has it.
    rowCount: counting.has(command) ? result.rowCount : null,
    rows: options.rawText && options.arrayMode ? rows : rows.map(rowShape(fields, options)),
    fields: fields.map(({ name, typeOid }) => ({ name, dataTypeID: typeOid, format: 'text' })),
    rowAsArray: options.arrayMode,
  });
}

/** The members that the driver copies onto its NeonDbError; absent ones are null, as Neon sends them. */
export function errorJson(error: PostgresError): string {
  return JSON.stringify({
    message: error.message,
    code: error.sqlstate,
    detail: error.detail ?? null,
    hint: error.hint ?? null,
    position: error.position ?? null,
    internalPosition: error.internalPosition ?? null,
    internalQuery: error.internalQuery ?? null,
    severity: error.severity,
    where: error.where ?? null,
    table: error.table ?? null,
    column: error.column ?? null,
    schema: error.schema ?? null,
    dataType: error.dataType ?? null,
    constraint: error.constraint ?? null,
    file: error.file ?? null,
    line: error.line ?? null,
    routine: error.routine ?? null,
  });
}

const counting = new Set(['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'MERGE', 'FETCH', 'MOVE', 'COPY']);

function firstWord(command: string): string {
  const space = command.indexOf(' ');
  return space === -1 ? command : command.slice(0, space);
}

function rowShape(fields: RawResult['fields'], { rawText, arrayMode }: { rawText: boolean; arrayMode: boolean }) {
  const readers = fields.map(({ typeOid }) => (rawText ? asIs : (readerOf.get(typeOid) ?? asIs)));
  return (row: readonly (string | null)[]): unknown => {
    const values = row.map((text, at) => (text === null ? null : (readers[at] as Reader)(text)));
    // fromEntries defines members, so a column named __proto__ is a column.
    return arrayMode ? values : Object.fromEntries(values.map((value, at) => [fields[at]?.name, value]));
  };
}

type Reader = (text: string) => unknown;
const asIs: Reader = (text) => text;
const number: Reader = (text) => {
  const value = Number(text);
  return Number.isFinite(value) ? value : text; // JSON has no NaN and no Infinity
};
const json: Reader = (text) => JSON.parse(text) as unknown;
const boolean: Reader = (text) => text === 't';
const arrayOf =
  (element: Reader): Reader =>
  (text) =>
    parseArray(text, element);

/** By type OID (pg_type.dat). int8 and numeric stay text: a double cannot hold them. box[] too: its delimiter is another. */
const readerOf = new Map<number, Reader>([
  ...[16].map((oid) => [oid, boolean] as const),
  ...[21, 23, 700, 701].map((oid) => [oid, number] as const),
  ...[114, 3802].map((oid) => [oid, json] as const),
  [1000, arrayOf(boolean)],
  ...[1005, 1007, 1021, 1022].map((oid) => [oid, arrayOf(number)] as const),
  ...[199, 3807].map((oid) => [oid, arrayOf(json)] as const),
  // bytea, char, name, text, bpchar, varchar, int8, oid, macaddr, inet, cidr, timestamps, date, times, interval, numeric, uuid
  ...[
    1001, 1002, 1003, 1009, 1014, 1015, 1016, 1028, 1040, 1041, 651, 1115, 1185, 1182, 1183, 1270, 1187, 1231, 2951,
  ].map((oid) => [oid, arrayOf(asIs)] as const),
]);
