// Owns livez and readyz. Live: this process answers. Ready: what it needs answers too, and nobody has told it to stop.
import { z } from '@hono/zod-openapi';
import type { AdminApiDeps } from '../deps.ts';
import { type AdminRoute, defineRoute } from '../route.ts';

/** Probes come every few seconds: one that needs longer is not ready. */
const checkTimeoutMs = 1_000;

export const readinessSchema = z
  .object({
    status: z.enum(['ready', 'not_ready', 'stopping']),
    checks: z.record(z.string(), z.enum(['ok', 'failed'])),
  })
  .openapi('Readiness');

export const healthRoutes: readonly AdminRoute[] = [
  defineRoute(
    {
      method: 'get',
      path: '/livez',
      operationId: 'livez',
      tag: 'Health',
      summary: 'Does this process answer?',
      access: 'public',
      answers: { 200: { description: 'It does.', schema: z.object({ status: z.literal('ok') }).openapi('Liveness') } },
    },
    (_deps, { c }) => c.json({ status: 'ok' }, 200),
  ),
  defineRoute(
    {
      method: 'get',
      path: '/readyz',
      operationId: 'readyz',
      tag: 'Health',
      summary: 'Should requests be sent here?',
      description: 'Looks at the catalog, its schema and the queue.',
      access: 'public',
      answers: {
        200: { description: 'Yes.', schema: readinessSchema },
        503: { description: 'No: `checks` says why.', schema: readinessSchema },
      },
    },
    async (deps, { c }) => {
      const checks = await runChecks(deps);
      const good = Object.values(checks).every((state) => state === 'ok');
      const status = deps.stopping.aborted ? 'stopping' : good ? 'ready' : 'not_ready';
      return c.json({ status, checks }, status === 'ready' ? 200 : 503);
    },
  ),
];

async function runChecks(deps: AdminApiDeps): Promise<Record<string, 'ok' | 'failed'>> {
  const results = await Promise.all(
    Object.entries(deps.readiness).map(async ([name, check]) => {
      try {
        await Promise.race([check(), late()]);
        return [name, 'ok'] as const;
      } catch (error) {
        deps.log.warn({ err: error, check: name }, 'readiness check failed');
        return [name, 'failed'] as const;
      }
    }),
  );
  return Object.fromEntries(results);
}

function late(): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`no answer within ${checkTimeoutMs} ms`)), checkTimeoutMs).unref();
  });
}
