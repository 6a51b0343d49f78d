// Owns reading the audit: who did what to what, newest first.
import { z } from '@hono/zod-openapi';
import { listAudit } from '../../../catalog/audit.ts';
import { answerPage, pageQuery, pageSchema } from '../page.ts';
import { auditEntrySchema, presentAuditEntry } from '../present/audit-entry.ts';
import { type AdminRoute, defineRoute } from '../route.ts';

const word = z.string().regex(/^[A-Za-z0-9_.:-]{1,255}$/, 'must be an id or a name without spaces');

export const auditRoutes: readonly AdminRoute[] = [
  defineRoute(
    {
      method: 'get',
      path: '/v1/audit',
      operationId: 'listAudit',
      tag: 'Audit',
      summary: 'List audit entries, newest first',
      access: ['operator', 'dba', 'owner'],
      query: z.object({ ...pageQuery, target_id: word.optional(), actor: word.optional(), action: word.optional() }),
      answers: {
        200: { description: 'One page.', schema: pageSchema('AuditPage', auditEntrySchema), headers: ['Link'] },
      },
      faults: ['cursor_invalid'],
    },
    async (deps, request) => {
      const { target_id, actor, action } = request.query;
      const filter = { target_id, actor, action };
      return await answerPage(deps, request, {
        list: 'audit',
        filter,
        read: (page) => listAudit(deps.db, filter, page),
        keyOf: (row) => row.seq,
        present: presentAuditEntry,
      });
    },
  ),
];
