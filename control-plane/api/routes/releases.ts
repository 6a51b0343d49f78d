// Owns releases as a resource: immutable snapshots of a lane, made of the files of a folder, looked through by the linter.
import { z } from '@hono/zod-openapi';
import { compareVersions } from '../../../catalog/lane-versions.ts';
import { findReleaseOfList, pageReleases, type ReleaseFile, readLane } from '../../../catalog/releases.ts';
import { acceptRelease } from '../../rollouts/start/accept-release.ts';
import { plainText } from '../input-shapes.ts';
import { answerPage, pageQuery, pageSchema } from '../page.ts';
import {
  presentRelease,
  presentReleaseDetail,
  presentSql,
  releaseDetailSchema,
  releaseSchema,
  releaseSqlSchema,
} from '../present/release.ts';
import { type AdminRoute, defineRoute } from '../route.ts';

const tag = 'Releases';
const everybody = ['viewer', 'sales', 'operator', 'dba', 'owner'] as const;
const laneSchema = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'must be the name of a lane, such as tenant');
const versionSchema = z.string().regex(/^\d{1,20}$/, 'must be the number that a file begins with');
const releaseParams = z.object({
  release: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$/, 'must be an id, or lane/name with the slash as %2F')
    .openapi({ description: 'An id, or lane/name (tenant/latest is the newest) with the slash as %2F.' }),
});

/** What a jsonb column cannot hold. */
const unstorable = /[\0\p{Cs}]/u;
const sourceText = (max: number) =>
  z
    .string()
    .max(max, `must be at most ${max} characters`)
    .refine((text) => !unstorable.test(text), 'must not contain NUL or halves of characters');

const scriptSchema = z.strictObject({
  transaction: z.boolean(),
  statements: z.array(sourceText(4_000_000)).min(1).max(10_000),
});
const fileSchema = z.strictObject({
  name: z.string().min(1).max(240).openapi({ description: 'As in the folder, with its ending.' }),
  text: sourceText(4_000_000).openapi({ description: 'The file as it stands.' }),
  makes: z
    .strictObject({ up: scriptSchema, down: scriptSchema.nullable() })
    .nullable()
    .optional()
    .openapi({ description: 'Of a builder file: the SQL it makes; null where it asks the database while it runs.' }),
  imports: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits')
    .optional()
    .openapi({
      description:
        'Of a builder file that imports files beside it: the SHA-256 over them. It counts for the hash of the file.',
    }),
});

export const newReleaseSchema = z
  .strictObject({
    lane: laneSchema,
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'must be letters, digits, dot, - and _, at most 100')
      .refine((name) => name !== 'latest' && !name.startsWith('rel_'), 'must not be "latest" nor begin with "rel_"')
      .optional()
      .openapi({ description: 'The version when it is left out.' }),
    notes: plainText(10_000).optional(),
    app_min: versionSchema.optional().openapi({ description: 'The oldest schema version its application runs on.' }),
    app_max: versionSchema.optional(),
    files: z.array(fileSchema).min(1).max(10_000).openapi({ description: 'All files of the lane, released ones too.' }),
  })
  .openapi('NewRelease');

const sqlQuery = z.object({
  from: versionSchema.optional().openapi({ description: 'Only files after this version.' }),
  to: versionSchema.optional().openapi({ description: 'Only files up to this version.' }),
  direction: z.enum(['up', 'down']).default('up'),
});

export const releaseRoutes: readonly AdminRoute[] = [
  defineRoute(
    {
      method: 'get',
      path: '/v1/releases',
      operationId: 'listReleases',
      tag,
      summary: 'List releases',
      access: everybody,
      query: z.object({ ...pageQuery, lane: laneSchema.optional() }),
      answers: {
        200: { description: 'One page.', schema: pageSchema('ReleasePage', releaseSchema), headers: ['Link'] },
      },
      faults: ['cursor_invalid'],
    },
    async (deps, request) => {
      const { lane } = request.query;
      return await answerPage(deps, request, {
        list: 'releases',
        filter: { lane },
        read: (page) => pageReleases(deps.db, { ...page, lane }),
        keyOf: (row) => row.id,
        present: presentRelease,
      });
    },
  ),
  defineRoute(
    {
      method: 'get',
      path: '/v1/releases/{release}',
      operationId: 'getRelease',
      tag,
      summary: 'Read one release, its files and what the linter found',
      access: everybody,
      params: releaseParams,
      answers: { 200: { description: 'The release.', schema: releaseDetailSchema } },
      faults: ['release_not_found'],
    },
    async (deps, { c, params }) => {
      const row = await findReleaseOfList(deps.db, params.release);
      return c.json(presentReleaseDetail(row, (await readLane(deps.db, row.id)).files));
    },
  ),
  defineRoute(
    {
      method: 'get',
      path: '/v1/releases/{release}/sql',
      operationId: 'getReleaseSql',
      tag,
      summary: 'Read the SQL of a release, or of a range of its files',
      access: ['operator', 'dba', 'owner'],
      params: releaseParams,
      query: sqlQuery,
      answers: { 200: { description: 'File by file, in the order in which they run.', schema: releaseSqlSchema } },
      faults: ['release_not_found'],
    },
    async (deps, { c, params, query }) => {
      const row = await findReleaseOfList(deps.db, params.release);
      const { files } = await readLane(deps.db, row.id);
      return c.json(presentSql(files.filter(inside(query)), query.direction));
    },
  ),
  defineRoute(
    {
      method: 'post',
      path: '/v1/releases',
      operationId: 'createRelease',
      tag,
      summary: 'Release the files of a lane',
      description:
        'Brings all files of the lane as they stand. Each is parsed and hashed again, compared with what was released before, and looked through by the linter; nothing is kept of what is refused. Of a builder file `makes` is the SQL that it makes where it was compiled: its code is not run here. No database is touched: a rollout brings the fleet to a release. The same content again gives the release that is there.',
      access: ['dba', 'owner'],
      audit: 'release.create',
      body: newReleaseSchema,
      answers: {
        200: { description: 'It was there already.', schema: releaseDetailSchema },
        201: { description: 'The release.', schema: releaseDetailSchema, headers: ['Location'] },
      },
      faults: [
        'lane_not_found',
        'lane_reserved',
        'migration_invalid',
        'program_not_known',
        'app_range_invalid',
        'release_history_changed',
        'lint_failed',
        'linter_unavailable',
        'name_taken',
      ],
    },
    async (deps, { c, body, caller }) => {
      const { app_min: appMin, app_max: appMax, ...upload } = body;
      const { release, isNew } = await acceptRelease(deps.db, { ...upload, appMin, appMax }, caller);
      const row = await findReleaseOfList(deps.db, release.id);
      const answer = presentReleaseDetail(row, (await readLane(deps.db, release.id)).files);
      return isNew ? c.json(answer, 201, { location: `/v1/releases/${release.id}` }) : c.json(answer);
    },
  ),
];

function inside({ from, to }: { from?: string | undefined; to?: string | undefined }) {
  return ({ name }: ReleaseFile): boolean => {
    const stamp = /^\d*/.exec(name)?.[0] ?? '';
    return (
      (from === undefined || compareVersions(stamp, from) > 0) && (to === undefined || compareVersions(stamp, to) <= 0)
    );
  };
}
