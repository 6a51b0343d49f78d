// Owns the few shapes that every resource shares: times and the lanes of a database.
import { z } from '@hono/zod-openapi';

/** RFC 3339 in UTC, to the millisecond. */
export const timeSchema = z.iso.datetime().openapi({ example: '2026-11-22T09:00:00.000Z' });

export function timeOrNull(time: Date | null): string | null {
  return time === null ? null : time.toISOString();
}

export const laneVersionsSchema = z
  .record(z.string(), z.object({ version: z.string(), hash: z.string() }))
  .openapi({ description: 'Per lane of migrations: the last file applied and a hash of all of them.' });
