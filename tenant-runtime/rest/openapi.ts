// Owns the description of a tenant's schema at /v1/rest/: OpenAPI 2.0 with the parts that tools for PostgREST read (definitions
// with formats, keys and enumerations). It is made once for a schema, whatever the number of tenants.
import type { Column, Routine, Table, TenantSchema } from './tenant-schema.ts';

const made = new WeakMap<TenantSchema, string>();

export function openApiOf(schema: TenantSchema): string {
  let text = made.get(schema);
  if (text === undefined) {
    text = JSON.stringify(documentOf(schema));
    made.set(schema, text);
  }
  return text;
}

function documentOf(schema: TenantSchema) {
  const tables = [...schema.tables.values()];
  const routines = [...schema.routines.values()].map((each) => each[0] as Routine);
  return {
    swagger: '2.0',
    info: { title: 'Data of the tenant', description: 'Tables and functions of schema public', version: '1' },
    basePath: '/v1/rest',
    schemes: ['https'],
    consumes: ['application/json'],
    produces: ['application/json', 'application/vnd.pgrst.object+json', 'text/csv'],
    paths: Object.fromEntries([
      ['/', { get: { tags: ['Introspection'], summary: 'This document', responses: { 200: { description: 'OK' } } } }],
      ...tables.map((table) => [`/${table.name}`, tablePath(table)] as const),
      ...routines.map((routine) => [`/rpc/${routine.name}`, routinePath(routine)] as const),
    ]),
    definitions: Object.fromEntries(tables.map((table) => [table.name, definitionOf(schema, table)])),
    parameters: Object.fromEntries(tables.map((table) => [`body.${table.name}`, bodyOf(table.name)])),
    securityDefinitions: {
      token: { type: 'apiKey', in: 'header', name: 'Authorization', description: 'Bearer <token>' },
    },
    security: [{ token: [] }],
  };
}

function bodyOf(name: string) {
  return { name, in: 'body', required: false, schema: { $ref: `#/definitions/${name}` } };
}

const words = ['select', 'order', 'limit', 'offset'];

function tablePath(table: Table) {
  const filters = [...table.columns.keys()].map((name) => ({ name, in: 'query', required: false, type: 'string' }));
  const shaping = words.map((name) => ({ name, in: 'query', required: false, type: 'string' }));
  const rows = { type: 'array', items: { $ref: `#/definitions/${table.name}` } };
  const base = { tags: [table.name], ...(table.comment !== null && { summary: table.comment }) };
  const body = { $ref: `#/parameters/body.${table.name}` };
  return {
    get: {
      ...base,
      parameters: [...filters, ...shaping],
      responses: { 200: { description: 'OK', schema: rows }, 206: { description: 'Partial Content' } },
    },
    post: { ...base, parameters: [body], responses: { 201: { description: 'Created' } } },
    patch: { ...base, parameters: [...filters, body], responses: { 204: { description: 'No Content' } } },
    delete: { ...base, parameters: filters, responses: { 204: { description: 'No Content' } } },
  };
}

function definitionOf({ relationships }: TenantSchema, table: Table) {
  const columns = [...table.columns.values()];
  const foreign = (column: Column) =>
    relationships.find(
      ({ from, kind, junction, fromColumns }) =>
        from === table.name &&
        junction === undefined &&
        kind === 'many-to-one' &&
        fromColumns.length === 1 &&
        fromColumns[0] === column.name,
    );
  const notes = (column: Column) => {
    const to = foreign(column);
    return [
      column.comment,
      table.primaryKey.includes(column.name) ? 'Note:\nThis is a Primary Key.<pk/>' : null,
      to === undefined
        ? null
        : `Note:\nThis is a Foreign Key to \`${to.to}.${to.toColumns[0]}\`.<fk table='${to.to}' column='${to.toColumns[0]}'/>`,
    ].filter((each) => each !== null);
  };
  return {
    type: 'object',
    ...(table.comment !== null && { description: table.comment }),
    required: columns.filter(({ notNull }) => notNull).map(({ name }) => name),
    properties: Object.fromEntries(
      columns.map((column) => {
        const description = notes(column);
        const more = {
          ...(column.default !== null && { default: column.default }),
          ...(column.enums !== null && { enum: column.enums }),
          ...(description.length > 0 && { description: description.join('\n\n') }),
        };
        return [column.name, { ...typeOf(column.type), ...more }];
      }),
    ),
  };
}

function routinePath({ name, arguments: taken, volatility, comment }: Routine) {
  const base = { tags: [`(rpc) ${name}`], ...(comment !== null && { summary: comment }) };
  const named = taken.filter((each) => each.name !== '');
  const schema = {
    type: 'object',
    required: named.filter(({ required }) => required).map((each) => each.name),
    properties: Object.fromEntries(named.map((each) => [each.name, typeOf(each.type)])),
  };
  const post = {
    ...base,
    parameters: [{ name: 'args', in: 'body', required: true, schema }],
    responses: { 200: { description: 'OK' } },
  };
  if (volatility === 'volatile') return { post };
  const parameters = named.map((each) => ({ name: each.name, in: 'query', required: each.required, type: 'string' }));
  return { get: { ...base, parameters, responses: { 200: { description: 'OK' } } }, post };
}

function typeOf(format: string): Record<string, unknown> {
  if (format.endsWith('[]')) return { format, type: 'array', items: typeOf(format.slice(0, -2)) };
  if (/^(smallint|integer|bigint)$/.test(format)) return { format, type: 'integer' };
  if (/^(numeric|real|double precision)/.test(format)) return { format, type: 'number' };
  if (format === 'boolean') return { format, type: 'boolean' };
  if (/^jsonb?$/.test(format)) return { format };
  return { format, type: 'string' };
}
