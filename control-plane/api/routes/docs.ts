// Owns the documentation a server gives of itself: the OpenAPI document, a page to read and try it, and a section per error code.
// Everything comes from this process: no page loads anything from elsewhere, and the policy of the pages forbids it.
import { z } from '@hono/zod-openapi';
import { edgeFault } from '../../../platform/edge-faults.ts';
import { docsAsset, docsPage, errorsPage } from '../docs-pages.ts';
import { type AdminRoute, defineRoute, type RouteAnswer } from '../route.ts';

const tag = 'Documentation';

/** Swagger UI draws its icons as data: images and sets style attributes; scripts come from files of ours alone. */
const pagePolicy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const pageHeaders = { 'content-security-policy': pagePolicy, 'content-type': 'text/html; charset=utf-8' };

const page = (description: string): Record<number, RouteAnswer> => ({
  200: { description, schema: z.string(), contentType: 'text/html' },
});

export const docsRoutes: readonly AdminRoute[] = [
  defineRoute(
    {
      method: 'get',
      path: '/openapi.json',
      operationId: 'getOpenApi',
      tag,
      summary: 'This API as an OpenAPI 3.1 document',
      access: 'public',
      answers: { 200: { description: 'The document.', schema: z.record(z.string(), z.unknown()) } },
    },
    (deps, { c }) => c.body(deps.openApiText(), 200, { 'content-type': 'application/json' }),
  ),
  defineRoute(
    {
      method: 'get',
      path: '/docs',
      operationId: 'getDocs',
      tag,
      summary: 'The API to read and to try',
      access: 'public',
      answers: page('A page.'),
    },
    (_deps, { c }) => c.body(docsPage(), 200, pageHeaders),
  ),
  defineRoute(
    {
      method: 'get',
      path: '/docs/errors',
      operationId: 'getErrorDocs',
      tag,
      summary: 'Every error code with cause and remedy',
      access: 'public',
      answers: page('A page.'),
    },
    (_deps, { c }) => c.body(errorsPage(), 200, pageHeaders),
  ),
  defineRoute(
    {
      method: 'get',
      path: '/docs/assets/{file}',
      operationId: 'getDocsAsset',
      tag,
      summary: 'A file of the documentation page',
      access: 'public',
      params: z.object({ file: z.string().regex(/^[a-z-]{1,40}\.(js|css|png)$/, 'must be the name of a file') }),
      answers: { 200: { description: 'The file.', schema: z.string(), contentType: 'application/octet-stream' } },
      faults: ['not_found'],
    },
    async (_deps, { c, params }) => {
      const asset = await docsAsset(params.file);
      if (asset === undefined) throw edgeFault('not_found', 'There is no such file.');
      return c.body(asset.body, 200, { 'content-type': asset.type, 'cache-control': 'public, max-age=3600' });
    },
  ),
];
