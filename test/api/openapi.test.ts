// The OpenAPI document: complete, consistent, every reference resolved. It is generated; so is the table route × role.
import { describe, expect, test } from 'vitest';
import { describeAccess } from '../../control-plane/api/access.ts';
import { adminRoutes } from '../../control-plane/api/admin-routes.ts';
import { openApiDocument } from '../../control-plane/api/openapi.ts';

type Operation = {
  operationId: string;
  summary?: string;
  tags?: string[];
  parameters?: { name: string; in: string }[];
  responses: Record<string, { description: string; content?: Record<string, { schema: { $ref?: string } }> }>;
  security?: unknown[];
  'x-freehold-roles'?: unknown;
};
const document = JSON.parse(JSON.stringify(openApiDocument(adminRoutes))) as {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: Record<string, Record<string, unknown>>;
};
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, path, operation })),
);

describe('OpenAPI document', () => {
  test('is 3.1 and has every route once', () => {
    expect(document.openapi).toBe('3.1.0');
    const declared = describeAccess(adminRoutes).map(({ method, path }) => `${method} ${path}`);
    expect(operations).toHaveLength(declared.length);
    expect(new Set(operations.map(({ name }) => name))).toEqual(new Set(declared));
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('every reference resolves', () => {
    const refs: string[] = [];
    JSON.stringify(document, (key, value) => {
      if (key === '$ref') refs.push(value as string);
      return value;
    });
    expect(refs.length).toBeGreaterThan(100);
    for (const ref of new Set(refs)) {
      const found = ref
        .replace('#/', '')
        .split('/')
        .reduce<unknown>((node, part) => (node as Record<string, unknown>)[part], document);
      expect(found, ref).toBeDefined();
    }
  });

  test.each(operations)(
    '$name has summary, tag, path parameters, a described answer and problems',
    ({ path, operation }) => {
      expect(operation.summary).toMatch(/^[A-Z].{5,80}[^.]$/);
      expect(operation.tags).toHaveLength(1);
      const named = (operation.parameters ?? [])
        .filter((parameter) => parameter.in === 'path')
        .map((parameter) => parameter.name);
      expect(new Set(named)).toEqual(new Set([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)));
      const good = Object.entries(operation.responses).filter(([status]) => status.startsWith('2'));
      expect(good.length).toBeGreaterThan(0);
      for (const [status, answer] of Object.entries(operation.responses)) {
        expect(answer.description.length, status).toBeGreaterThan(3);
        if (/^[45]|default/.test(status) && !(status === '503' && path === '/readyz')) {
          expect(answer.content?.['application/problem+json']?.schema.$ref).toBe('#/components/schemas/Problem');
        }
      }
      expect(operation.responses).toHaveProperty('default');
      expect(operation['x-freehold-roles']).toBeDefined();
      const isPublic = operation['x-freehold-roles'] === 'public';
      expect(operation.security).toEqual(isPublic ? [] : [{ apiKey: [] }]);
      if (!isPublic) expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining(['401', '403']));
    },
  );

  test('is the same every time', () => {
    expect(JSON.stringify(openApiDocument(adminRoutes))).toBe(JSON.stringify(openApiDocument(adminRoutes)));
  });
});
