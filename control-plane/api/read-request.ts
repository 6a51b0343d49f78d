// Owns the door of the admin API: path, query, headers and body against the schemas of the route. Nothing unknown passes:
// an unknown or repeated query parameter, an unknown member and a body where none is expected are refused by name (A02).
import type { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { edgeFault } from '../../platform/edge-faults.ts';
import type { EdgeEnv } from '../../platform/http/edge.ts';
import { validationFault } from '../../platform/http/problem.ts';

export type RequestSchemas = {
  readonly params?: z.ZodObject | undefined;
  readonly query?: z.ZodObject | undefined;
  readonly headers?: z.ZodObject | undefined;
  readonly body?: z.ZodType | undefined;
};

export type ReadRequest = { params: unknown; query: unknown; headers: unknown; body: unknown };

export function readRequest(spec: RequestSchemas, c: Context<EdgeEnv>): ReadRequest {
  return {
    params: spec.params === undefined ? {} : parsed('param', spec.params, c.req.param()),
    query: readQuery(spec.query, c),
    headers: spec.headers === undefined ? {} : parsed('header', spec.headers, c.req.header()),
    body: readBody(spec.body, c.get('jsonBody')),
  };
}

function readQuery(schema: z.ZodObject | undefined, c: Context<EdgeEnv>): unknown {
  const given: Record<string, string | string[]> = {};
  for (const [name, values] of Object.entries(c.req.queries()))
    given[name] = values.length === 1 ? (values[0] as string) : values;
  const known = new Set(Object.keys(schema?.shape ?? {}));
  const unknown = Object.keys(given).filter((name) => !known.has(name));
  if (unknown.length > 0) {
    const errors = unknown
      .slice(0, 20)
      .map((name) => ({ pointer: `/${name.slice(0, 100)}`, message: 'is not a known parameter' }));
    throw edgeFault('invalid_query', 'Remove the parameters named in "errors": this list does not know them.', {
      extra: { errors },
    });
  }
  return schema === undefined ? {} : parsed('query', schema, given);
}

function readBody(schema: z.ZodType | undefined, body: unknown): unknown {
  if (schema !== undefined) {
    refusePrototypeMembers(body, []);
    return parsed('json', schema, body);
  }
  const empty = body === undefined || (typeof body === 'object' && body !== null && Object.keys(body).length === 0);
  if (empty) return {};
  const errors = Object.keys(Object(body))
    .slice(0, 20)
    .map((name) => ({ pointer: `/${name.slice(0, 100)}`, message: 'is not a known member' }));
  throw edgeFault('invalid_body', 'Send no body: this request takes none.', { extra: { errors } });
}

/** zod leaves "__proto__" out of records without a word; here it is an unknown member like any other. The depth is bounded by the edge. */
function refusePrototypeMembers(value: unknown, path: readonly string[]): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, item] of Object.entries(value)) {
    if (name === '__proto__') {
      const errors = [
        { pointer: [...path, name].map((part) => `/${part}`).join(''), message: 'is not a known member' },
      ];
      throw edgeFault('invalid_body', 'Correct the places named in "errors" and send the request again.', {
        extra: { errors },
      });
    }
    refusePrototypeMembers(item, [...path, name]);
  }
}

function parsed(target: 'param' | 'query' | 'header' | 'json', schema: z.ZodType, value: unknown): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw validationFault(target, result.error);
}
