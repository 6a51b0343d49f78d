// Owns the reading of a request for SQL in the format of Neon's HTTP driver: {"query", "params"} or {"queries": […]}, with
// headers for the form of the answer and for the transaction of a batch. Neon-Connection-String, which that driver always
// sends and which carries a password, is not read at all. Whatever does not fit is a Fault, 400, with the reason.
import type { IsolationLevel } from '../../platform/postgres/session.ts';
import { runtimeFault } from '../errors.ts';

export type SqlStatement = { query: string; params: (string | null)[]; arrayMode: boolean };

export type SqlRequest = {
  statements: SqlStatement[];
  /** Undefined for a single statement. */
  batch: { isolation?: IsolationLevel; readOnly: boolean; deferrable: boolean } | undefined;
  /** Values as PostgreSQL writes them; otherwise numbers, booleans, JSON and arrays become JSON. */
  rawText: boolean;
};

/** One batch holds one session of the tenant; a longer one is written better as one statement over arrays. */
const batchStatementsMax = 500;
/** The protocol counts parameters in 16 bits. */
const paramsMax = 65_535;

/** Read uncommitted is read committed in PostgreSQL. */
const isolationLevels: Readonly<Record<string, IsolationLevel>> = {
  ReadUncommitted: 'read committed',
  ReadCommitted: 'read committed',
  RepeatableRead: 'repeatable read',
  Serializable: 'serializable',
};

/** @throws Fault sql_request_invalid, batch_too_large */
export function parseSqlRequest(body: unknown, header: (name: string) => string | undefined): SqlRequest {
  if (!isObject(body)) throw invalid('Send a JSON object: {"query": "…", "params": […]} or {"queries": […]}.');
  const rawText = header('neon-raw-text-output') === 'true';
  const arrayMode = header('neon-array-mode') === 'true';
  if (body.queries === undefined) return { statements: [statementOf(body, arrayMode, '')], batch: undefined, rawText };
  const { queries } = body;
  if (body.query !== undefined) throw invalid('Send "query" or "queries", not both.');
  if (!Array.isArray(queries)) throw invalid('"queries" must be an array of {"query", "params"}.');
  if (queries.length > batchStatementsMax) {
    throw runtimeFault(
      'batch_too_large',
      `A batch has at most ${batchStatementsMax} statements; this one has ${queries.length}.`,
    );
  }
  return {
    statements: queries.map((query, at) => statementOf(query, arrayMode, `queries[${at}]: `)),
    batch: {
      ...isolationOf(header('neon-batch-isolation-level')),
      readOnly: header('neon-batch-read-only') === 'true',
      deferrable: header('neon-batch-deferrable') === 'true',
    },
    rawText,
  };
}

function statementOf(value: unknown, arrayMode: boolean, place: string): SqlStatement {
  if (!isObject(value)) throw invalid(`${place}must be an object with "query".`);
  const { query, params = [], arrayMode: own } = value;
  if (typeof query !== 'string') throw invalid(`${place}"query" must be a string.`);
  if (query.includes('\0')) throw invalid(`${place}"query" must not contain a zero character.`);
  if (!Array.isArray(params)) throw invalid(`${place}"params" must be an array.`);
  if (params.length > paramsMax) throw invalid(`${place}"params" has more than ${paramsMax} values.`);
  if (own !== undefined && own !== null && typeof own !== 'boolean')
    throw invalid(`${place}"arrayMode" must be true or false.`);
  return { query, params: params.map((param) => paramText(param, place)), arrayMode: own ?? arrayMode };
}

function isolationOf(text: string | undefined): { isolation?: IsolationLevel } {
  if (text === undefined) return {};
  if (!Object.hasOwn(isolationLevels, text)) {
    throw invalid(`Neon-Batch-Isolation-Level must be one of ${Object.keys(isolationLevels).join(', ')}.`);
  }
  return { isolation: isolationLevels[text] as IsolationLevel };
}

/** As PostgreSQL reads it: the server infers the type, so everything is text. */
function paramText(value: unknown, place: string): string | null {
  if (value === null) return null;
  const text = typeof value === 'string' ? value : Array.isArray(value) ? arrayText(value) : JSON.stringify(value);
  if (text.includes('\0')) throw invalid(`${place}a parameter must not contain a zero character.`);
  return text;
}

/** {1,"a \"b\"",NULL,{…}}: text is quoted always, which PostgreSQL accepts for every type of element. */
function arrayText(items: readonly unknown[]): string {
  const parts = items.map((item) => {
    if (item === null) return 'NULL';
    if (Array.isArray(item)) return arrayText(item);
    if (typeof item === 'number' || typeof item === 'boolean') return String(item);
    const text = typeof item === 'string' ? item : JSON.stringify(item);
    return `"${text.replace(/["\\]/g, '\\$&')}"`;
  });
  return `{${parts.join(',')}}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(message: string) {
  return runtimeFault('sql_request_invalid', message);
}
