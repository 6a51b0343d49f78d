// Owns what travels in one message and is answered in one: the beginning of a transaction and the first statement in it, with one
// Sync behind both. Promises that the statement never runs outside of that transaction: after an error the server skips
// everything up to the Sync. Four messages of a short request become two, which is more than half of its processor time.
import { serialize } from 'pg-protocol';
import type { PostgresError } from './errors.ts';

export type Statement = {
  text: string;
  params: readonly (string | null)[];
  /** Of a statement that the server keeps; '' for one that it does not. */
  name: string;
  /** The server has not seen it under this name. */
  parse: boolean;
};

/** @param before texts of our own that run ahead of it; their rows are of no interest */
export function flightMessage(before: readonly string[], { text, params, name, parse }: Statement): Buffer {
  const parts: Buffer[] = [];
  for (const own of before) parts.push(serialize.parse({ text: own }), bindAndExecute);
  // As many types as parameters, each for the server to infer: so it says which one it has no use for (42P18).
  if (parse) parts.push(serialize.parse({ name, text, types: params.map(() => 0) }));
  // Null beside text: pg-protocol does not change what it is given.
  parts.push(serialize.bind({ statement: name, values: params as (string | null)[] }), describeExecuteSync);
  return Buffer.concat(parts);
}

const bindAndExecute = Buffer.concat([serialize.bind(), serialize.execute()]);
const describeExecuteSync = Buffer.concat([serialize.describe({ type: 'P' }), serialize.execute(), serialize.sync()]);

/** What an exchange has brought so far, as the server tells it. */
export class Brought {
  /** Of a flight, whose one described statement has rows of interest; else of a simple query. */
  readonly ofFlight: boolean;
  /** Statements that were parsed, and that came to their end. */
  parsed = 0;
  completed = 0;
  firstTag = '';
  lastTag = '';
  error: PostgresError | undefined;
  columns: { name: string; type: number }[] | undefined;
  readonly rows: (string | null)[][] = [];

  constructor({ ofFlight }: { ofFlight: boolean }) {
    this.ofFlight = ofFlight;
  }

  /** @param tag of the command; undefined for an empty statement */
  complete(tag = ''): void {
    if (this.completed === 0) this.firstTag = tag;
    this.completed++;
    this.lastTag = tag;
  }
}

/** `INSERT 0 5` is INSERT with 5 rows, `CREATE TABLE` counts none. */
export function readTag(tag: string): { command: string; count: number | null } {
  const numbers = /(?: \d+)+$/.exec(tag);
  if (numbers === null) return { command: tag, count: null };
  const { 0: found, index } = numbers;
  return { command: tag.slice(0, index), count: Number(found.slice(found.lastIndexOf(' ') + 1)) };
}

/** RowDescription (protocol documentation, section 54.7). @param at behind its length */
export function readColumns(bytes: Buffer, at: number): { name: string; type: number }[] {
  const columns: { name: string; type: number }[] = [];
  let pos = at + 2;
  for (let left = bytes.readUInt16BE(at); left > 0; left--) {
    const end = bytes.indexOf(0, pos);
    // Behind the name: table (4), attribute (2), type (4), size (2), modifier (4), format (2).
    columns.push({ name: bytes.toString('utf8', pos, end), type: bytes.readUInt32BE(end + 7) });
    pos = end + 19;
  }
  return columns;
}

/** DataRow. @param at behind its length */
export function readRow(bytes: Buffer, at: number): (string | null)[] {
  const row: (string | null)[] = [];
  let pos = at + 2;
  for (let left = bytes.readUInt16BE(at); left > 0; left--) {
    const length = bytes.readInt32BE(pos);
    pos += 4;
    row.push(length < 0 ? null : bytes.toString('utf8', pos, pos + length));
    if (length > 0) pos += length;
  }
  return row;
}
