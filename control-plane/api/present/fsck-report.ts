// Owns how a report of fsck looks to a client of the admin API.
import { z } from '@hono/zod-openapi';
import type { FsckReport } from '../../fsck/report.ts';

export const fsckReportSchema = z
  .object({
    clean: z.boolean(),
    checked: z.record(z.string(), z.int()),
    findings: z.array(
      z.object({
        code: z.string(),
        severity: z.enum(['error', 'warning', 'notice']),
        cluster_id: z.string().optional(),
        database_id: z.string().optional(),
        tenant_id: z.string().optional(),
        object: z.string(),
        message: z.string(),
        cause: z.string(),
        next: z.string(),
      }),
    ),
    in_progress: z
      .array(
        z.object({
          operation_id: z.string(),
          kind: z.string(),
          tenant_id: z.string().optional(),
          database_id: z.string().optional(),
          attempt: z.int(),
        }),
      )
      .openapi({ description: 'What unfinished operations are changing; nothing of it counts as a finding.' }),
    duration_ms: z.int(),
  })
  .openapi('FsckReport');

export type FsckReportView = z.output<typeof fsckReportSchema>;

export function presentFsckReport(report: FsckReport): FsckReportView {
  return {
    clean: report.clean,
    checked: { ...report.checked },
    findings: report.findings.map(({ clusterId, databaseId, tenantId, ...finding }) => ({
      ...finding,
      ...(clusterId !== undefined && { cluster_id: clusterId }),
      ...(databaseId !== undefined && { database_id: databaseId }),
      ...(tenantId !== undefined && { tenant_id: tenantId }),
    })),
    in_progress: report.inProgress.map(({ operationId, kind, tenantId, databaseId, attempt }) => ({
      operation_id: operationId,
      kind,
      ...(tenantId !== undefined && { tenant_id: tenantId }),
      ...(databaseId !== undefined && { database_id: databaseId }),
      attempt,
    })),
    duration_ms: report.durationMs,
  };
}
