// Owns ETag and If-Match: the ETag of a resource is its version, and an update names the version it is based on.
import { z } from '@hono/zod-openapi';
import { catalogFault } from '../../catalog/errors.ts';
import { edgeFault } from '../../platform/edge-faults.ts';

export function etagOf(row: { version: number }): string {
  return `"${row.version}"`;
}

export const ifMatchHeaders = z.object({
  // Optional here, because its absence has an answer of its own (428).
  'if-match': z
    .string()
    .max(200)
    .optional()
    .openapi({ description: 'The ETag of the last read; required.', example: '"3"' }),
});

/** @throws Fault if_match_required (428) | invalid_header for anything but one strong ETag of ours */
export function expectedVersion(headers: z.output<typeof ifMatchHeaders>): number {
  const text = headers['if-match'];
  if (text === undefined) {
    throw catalogFault(
      'if_match_required',
      'Send If-Match with the ETag of the last read, so that no change of others is lost.',
    );
  }
  const version = /^"(\d{1,9})"$/.exec(text)?.[1];
  if (version === undefined) {
    const errors = [{ pointer: '/if-match', message: 'must be one ETag as it was read, such as "3"' }];
    throw edgeFault('invalid_header', 'Send If-Match with exactly one ETag as it was read.', { extra: { errors } });
  }
  return Number(version);
}
