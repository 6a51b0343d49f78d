// Owns the client's part for releases.
import type { z } from '@hono/zod-openapi';
import type { LintFinding, Release, ReleaseDetail, ReleaseSql } from '../api/present/release.ts';
import type { newReleaseSchema } from '../api/routes/releases.ts';
import { type Change, type Get, listOf, segment } from './pages.ts';

export type { LintFinding, Release, ReleaseDetail };
export type NewRelease = z.input<typeof newReleaseSchema>;
export type ReleaseSqlFile = ReleaseSql['data'][number];
export type SqlRange = { from?: string | undefined; to?: string | undefined; direction?: 'up' | 'down' | undefined };

/** @param get,change of the client; a release is named by its id or as lane/name */
export function releasesOf(get: Get, change: Change) {
  const pathOf = (release: string) => `/v1/releases/${segment(release)}`;
  return {
    ...listOf(get)<Release, { lane?: string | undefined }>('/v1/releases'),
    get: (release: string) => get<ReleaseDetail>(pathOf(release)),
    sql: async (release: string, range: SqlRange = {}) => (await get<ReleaseSql>(`${pathOf(release)}/sql`, range)).data,
    /** Of the same content the one that is there is given. */
    create: (release: NewRelease) => change<ReleaseDetail>('POST', '/v1/releases', release),
  };
}
