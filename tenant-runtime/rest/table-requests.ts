// Owns what each method does with a table: read, insert, update, delete.
import { parseQuery } from './parse-query.ts';
import { contentType } from './preferences.ts';
import { RestError } from './rest-error.ts';
import {
  type Ask,
  askPage,
  checkSingle,
  type Page,
  pageHeaders,
  type RestRequest,
  type RestResult,
  totalOf,
  withRange,
} from './rest-request.ts';
import { readStatement } from './statements.ts';
import type { Table, TenantSchema } from './tenant-schema.ts';
import { type WriteBody, writeBodyOf } from './write-body.ts';
import { deleteStatement, insertStatement, updateStatement, type WriteOptions } from './write-statements.ts';

export type TableRequest = { ask: Ask; schema: TenantSchema; table: Table; request: RestRequest; path: string };

export async function readTable({ ask, schema, table, request }: TableRequest): Promise<RestResult> {
  const { media, method, preferences, range } = request;
  const query = withRange(parseQuery(request.params).rows, range);
  const { count } = preferences;
  const paged = query.limit !== undefined || query.offset > 0;
  const withTotal = count === 'exact' && paged && media.kind !== 'csv';
  const statement = readStatement(schema, table, query, { media, withTotal, withBody: method !== 'HEAD' });
  const page = await askPage(ask, statement, media);
  checkSingle(media, page.rows);
  const total =
    count === undefined
      ? undefined
      : count === 'exact' && (!paged || withTotal)
        ? (page.total ?? page.rows)
        : await totalOf(ask, schema, table, query, count);
  const { status, range: contentRange } = pageHeaders(query.offset, page.rows, total);
  return {
    status,
    body: method === 'HEAD' ? null : page.body,
    headers: { 'content-type': contentType(media), 'content-range': contentRange, ...appliedHeader(request) },
  };
}

export async function insertRows(input: TableRequest): Promise<RestResult> {
  const { ask, schema, table, request, path } = input;
  const { columns, onConflict, rows: query } = parseQuery(request.params);
  const body = bodyOf(input, columns);
  const options = writeOptions(request, onConflict);
  const page =
    body.rows === 0
      ? nothing(options)
      : await askPage(ask, insertStatement(schema, table, body, query, options), request.media);
  const result = written(request, page, 201);
  if (page.extra === null || !page.extra.startsWith('{')) return result;
  const key = new URLSearchParams(
    Object.entries(JSON.parse(page.extra) as Record<string, unknown>).map(([name, value]) => [
      name,
      `eq.${String(value)}`,
    ]),
  );
  return { ...result, headers: { ...result.headers, location: `${path}?${key}` } };
}

export async function updateRows(input: TableRequest): Promise<RestResult> {
  const { ask, schema, table, request } = input;
  const { columns, rows: query } = parseQuery(request.params);
  const body = bodyOf(input, columns);
  const options = writeOptions(request, undefined);
  const changesNothing = body.rows === 0 || body.columns.length === 0;
  const page = changesNothing
    ? nothing(options)
    : await askPage(ask, updateStatement(schema, table, body, query, options), request.media);
  return written(request, page, options.returning === 'representation' ? 200 : 204);
}

export async function deleteRows({ ask, schema, table, request }: TableRequest): Promise<RestResult> {
  const { rows: query } = parseQuery(request.params);
  const options = writeOptions(request, undefined);
  const page = await askPage(ask, deleteStatement(schema, table, query, options), request.media);
  return written(request, page, options.returning === 'representation' ? 200 : 204);
}

/** PUT: the row with this key, whether it is there or not. @throws RestError PGRST105 */
export async function putRow(input: TableRequest): Promise<RestResult> {
  const { ask, schema, table, request } = input;
  const { rows: query, columns } = parseQuery(request.params);
  const body = bodyOf(input, columns);
  const [row] = Array.isArray(request.body?.value) ? (request.body.value as unknown[]) : [request.body?.value];
  const keys = new Map(
    query.where.map((condition) =>
      condition.kind === 'test' && condition.test.kind === 'compare' && condition.test.operator === '='
        ? [condition.field.name, condition.test.value]
        : ['', ''],
    ),
  );
  const same = (name: string) => String((row as Record<string, unknown> | undefined)?.[name]) === keys.get(name);
  const whole = keys.size === table.primaryKey.length && table.primaryKey.every((name) => keys.has(name));
  if (table.primaryKey.length === 0 || !whole || body.rows !== 1 || !table.primaryKey.every(same)) {
    throw new RestError('PGRST105', 'Filters must include all and only primary key columns with "eq" operators', {
      details: 'The body must be one row with the same key.',
    });
  }
  const options: WriteOptions = { ...writeOptions(request, undefined), resolution: 'merge-duplicates' };
  const statement = insertStatement(schema, table, body, { ...query, where: [] }, options);
  return written(
    request,
    await askPage(ask, statement, request.media),
    options.returning === 'representation' ? 200 : 204,
  );
}

function bodyOf({ table, request }: TableRequest, columns: readonly string[] | undefined): WriteBody {
  if (request.body === undefined) throw new RestError('PGRST102', 'Empty or invalid json');
  return writeBodyOf(table, request.body.value, request.body.text, columns);
}

function writeOptions({ preferences, media }: RestRequest, onConflict: readonly string[] | undefined): WriteOptions {
  const { returning, resolution, missingDefault } = preferences;
  return { returning, resolution, missingDefault, onConflict, media };
}

function nothing({ returning }: WriteOptions): Page {
  return { body: returning === 'representation' ? '[]' : null, rows: 0, total: undefined, extra: null };
}

/** @throws RestError PGRST116, PGRST124, and then nothing was written */
function written(request: RestRequest, page: Page, status: number): RestResult {
  const { media, preferences } = request;
  const { maxAffected, returning, count } = preferences;
  if (maxAffected !== undefined && page.rows > maxAffected) {
    throw new RestError('PGRST124', 'Query result exceeds max-affected preference constraint', {
      details: `The query affects ${page.rows} rows`,
    });
  }
  const withBody = returning === 'representation';
  if (withBody) checkSingle(media, page.rows);
  const range = request.method === 'PATCH' && page.rows > 0 ? `0-${page.rows - 1}` : '*';
  return {
    status,
    body: withBody ? page.body : null,
    headers: {
      'content-range': `${range}/${count === undefined ? '*' : page.rows}`,
      ...(withBody && { 'content-type': contentType(media) }),
      ...appliedHeader(request),
    },
  };
}

export function appliedHeader({ preferences }: RestRequest): Record<string, string> {
  return preferences.applied.length === 0 ? {} : { 'preference-applied': preferences.applied.join(', ') };
}
