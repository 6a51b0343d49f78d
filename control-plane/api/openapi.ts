// Owns the OpenAPI 3.1 document: every route as it is declared, every fault code under its status, every header by name.
import { OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi';
import { type CatalogFaultCode, catalogFaults } from '../../catalog/errors.ts';
import { edgeFaults } from '../../platform/edge-faults.ts';
import type { FaultSpec } from '../../platform/errors.ts';
import { problemType, statusOf } from '../../platform/http/problem.ts';
import type { AdminRoute, AnswerHeader, AnyRouteSpec, RouteAnswer } from './route.ts';

type Code = CatalogFaultCode | keyof typeof edgeFaults;
type OpenApiDocument = ReturnType<OpenAPIHono['getOpenAPI31Document']>;

export const problemSchema = z
  .object({
    type: z.string().openapi({
      example: '/docs/errors#slug_taken',
      description: 'Where the code is described, relative to this server.',
    }),
    title: z.string(),
    status: z.int(),
    code: z.string().openapi({ description: 'Stable: branch on this.' }),
    detail: z.string().openapi({ description: 'What to do about it.' }),
    request_id: z.string(),
    errors: z.array(z.object({ pointer: z.string(), message: z.string() })).optional(),
  })
  .catchall(z.unknown())
  .openapi('Problem', { description: 'RFC 9457. Some codes have further members, such as operation_id or possible.' });

/** The same text for one version of the code, whatever the installation: checked in and compared by `npm run check`. */
export function openApiDocument(routes: readonly AdminRoute[]): OpenApiDocument {
  const app = new OpenAPIHono();
  app.openAPIRegistry.registerComponent('securitySchemes', 'apiKey', {
    type: 'http',
    scheme: 'bearer',
    description: 'An API key: `fhk_…`. Its role decides what it may do; see x-freehold-roles of each route.',
  });
  for (const { spec } of routes) app.openAPIRegistry.registerPath(pathOf(spec));
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Freehold admin API',
      version: '1',
      description:
        'Provision and manage tenants, each with a PostgreSQL database of its own. Every error is a problem document (RFC 9457) with a stable code.',
      license: { name: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: [...new Set(routes.map(({ spec }) => spec.tag))].map((name) => ({ name })),
  });
}

function pathOf(spec: AnyRouteSpec): RouteConfig {
  const { method, path, operationId, summary, description, tag, access, params, query, headers, body } = spec;
  return {
    method,
    path,
    operationId,
    summary,
    ...(description !== undefined && { description }),
    tags: [tag],
    security: access === 'public' ? [] : [{ apiKey: [] }],
    'x-freehold-roles': access,
    request: {
      ...(params !== undefined && { params }),
      ...(query !== undefined && { query }),
      ...(headers !== undefined && { headers }),
      ...(body !== undefined && { body: { required: true, content: { 'application/json': { schema: body } } } }),
    },
    responses: { ...answersOf(spec.answers), ...problemsOf(spec) },
  } as RouteConfig;
}

function answersOf(answers: Readonly<Record<number, RouteAnswer>>): RouteConfig['responses'] {
  const entries = Object.entries(answers).map(
    ([status, { description, schema, contentType = 'application/json', headers = [] }]) => [
      status,
      {
        description,
        ...(headers.length > 0 && {
          headers: Object.fromEntries(headers.map((name) => [name, headerDescriptions[name]])),
        }),
        ...(schema !== undefined && { content: { [contentType]: { schema } } }),
      },
    ],
  );
  return Object.fromEntries(entries) as RouteConfig['responses'];
}

const text = (description: string) => ({ description, schema: { type: 'string' as const } });
const headerDescriptions: Record<AnswerHeader, ReturnType<typeof text>> = {
  ETag: text('The version of the resource, for If-Match.'),
  Location: text('Where to look next: the resource, or the operation under way.'),
  'Retry-After': text('Seconds until it is worth looking again.'),
  'Preference-Applied': text('The preference that was honoured.'),
  'Idempotent-Replayed': text('true when the answer is that of an earlier request with the same key.'),
  Link: text('The next page, rel="next"; absent on the last one.'),
};

/** Declared faults and those any request of this form may meet, grouped by status. */
function problemsOf(spec: AnyRouteSpec): RouteConfig['responses'] {
  const byStatus = new Map<number, Code[]>();
  for (const code of new Set<Code>([...impliedFaults(spec), ...(spec.faults ?? [])])) {
    const status = statusOf(faultSpec(code).kind);
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const entries = [...byStatus].map(([status, codes]) => [
    status,
    problemAnswer(codes.map((code) => `\`${code}\`: ${faultSpec(code).title}.`).join('\n\n')),
  ]);
  return {
    ...Object.fromEntries(entries),
    default: problemAnswer('Any other problem, such as `internal`.'),
  } as RouteConfig['responses'];
}

function impliedFaults(spec: AnyRouteSpec): Code[] {
  return [
    ...(spec.access === 'public'
      ? []
      : (['unauthenticated', 'api_key_invalid', 'role_forbidden', 'catalog_unavailable'] as const)),
    ...(spec.params !== undefined ? (['invalid_path'] as const) : []),
    ...(spec.query !== undefined ? (['invalid_query'] as const) : []),
    ...(spec.headers !== undefined ? (['invalid_header'] as const) : []),
    ...(spec.body !== undefined
      ? (['invalid_body', 'invalid_json', 'unsupported_media_type', 'body_too_large'] as const)
      : []),
  ];
}

function faultSpec(code: Code): FaultSpec {
  return code in catalogFaults ? catalogFaults[code as CatalogFaultCode] : edgeFaults[code as keyof typeof edgeFaults];
}

function problemAnswer(description: string) {
  return { description, content: { [problemType]: { schema: problemSchema } } };
}
