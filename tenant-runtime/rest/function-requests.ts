// Owns calling a function of schema public: POST with named arguments in the body, GET with arguments in the query string in a
// transaction that only reads.
import { type CallArguments, callStatement, findRoutine } from './call-statement.ts';
import { parseQuery } from './parse-query.ts';
import { contentType, type MediaType } from './preferences.ts';
import { RestError } from './rest-error.ts';
import {
  type Ask,
  askPage,
  checkSingle,
  pageHeaders,
  type RestRequest,
  type RestResult,
  withRange,
} from './rest-request.ts';
import { appliedHeader } from './table-requests.ts';
import type { TenantSchema } from './tenant-schema.ts';

export async function callFunction(
  ask: Ask,
  schema: TenantSchema,
  name: string,
  request: RestRequest,
): Promise<RestResult> {
  const { method, params, preferences, media } = request;
  const given = method === 'POST' ? membersOf(request) : textsOf(schema, name, params);
  const { routine, args } = findRoutine(schema, name, given);
  const query = withRange(
    parseQuery(params, (key) => args.kind === 'texts' && args.values.has(key)).rows,
    request.range,
  );
  const withBody = method !== 'HEAD';
  const withTotal = preferences.count !== undefined && media.kind !== 'csv';
  const statement = callStatement(schema, routine, args, query, { media, withTotal, withBody });
  const page = await askPage(ask, statement, media);
  checkSingle(media, page.rows);
  if (preferences.maxAffected !== undefined && page.rows > preferences.maxAffected) {
    throw new RestError('PGRST124', 'Query result exceeds max-affected preference constraint', {
      details: `The query affects ${page.rows} rows`,
    });
  }
  const isVoid = routine.returns.kind === 'void';
  const { status, range } = pageHeaders(query.offset, page.rows, withTotal ? (page.total ?? page.rows) : undefined);
  return {
    status: isVoid ? 204 : status,
    body: isVoid || !withBody || preferences.returning === 'minimal' ? null : page.body,
    headers: {
      'content-range': range,
      ...(!isVoid && { 'content-type': contentType(shownMedia(media, routine.returnsSet)) }),
      ...appliedHeader(request),
    },
  };
}

/** A function that gives one value answers with it, whatever list was asked for. */
function shownMedia(media: MediaType, returnsSet: boolean): MediaType {
  return returnsSet || media.kind === 'csv' ? media : { kind: 'array', stripNulls: false };
}

function membersOf({ body }: RestRequest): CallArguments {
  if (body === undefined) return { kind: 'members', names: [], json: '{}' };
  const isObject = typeof body.value === 'object' && body.value !== null && !Array.isArray(body.value);
  if (isObject) return { kind: 'members', names: Object.keys(body.value as object), json: body.text };
  // Only a function of one unnamed json argument takes it; no argument has an empty name.
  return { kind: 'members', names: [''], json: body.text };
}

/** Parameters that are arguments of some function of this name; the others are filters of its result. */
function textsOf(schema: TenantSchema, name: string, params: URLSearchParams): CallArguments {
  const routines = schema.routines.get(name) ?? [];
  const names = new Set(
    routines.flatMap((each) => each.arguments.map((argument) => argument.name)).filter((each) => each),
  );
  const values = new Map<string, string[]>();
  for (const [key, value] of params) {
    if (names.has(key)) values.set(key, [...(values.get(key) ?? []), value]);
  }
  return { kind: 'texts', values };
}
