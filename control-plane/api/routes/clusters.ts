// Owns clusters as a resource: register, list, read, limits, drain and activate, install again.
import { z } from '@hono/zod-openapi';
import { findCluster, listClusters, setClusterState, updateCluster } from '../../../catalog/clusters.ts';
import { listShares } from '../../../catalog/connection-shares.ts';
import { isId } from '../../../catalog/ids.ts';
import { edgeFault } from '../../../platform/edge-faults.ts';
import type { AdminApiDeps } from '../deps.ts';
import { etagOf, expectedVersion, ifMatchHeaders } from '../etag.ts';
import { idParam, regionSchema } from '../input-shapes.ts';
import { answerPage, pageQuery, pageSchema } from '../page.ts';
import {
  clusterSchema,
  clusterWithSharesSchema,
  presentCluster,
  presentClusterWithShares,
} from '../present/cluster.ts';
import {
  clusterLimits,
  clusterNameSchema,
  newClusterSchema,
  poolerUrlSchema,
  registerCluster,
} from '../register-cluster.ts';
import { clusterInstallSchema, reinstallCluster } from '../reinstall-cluster.ts';
import { type AdminRoute, defineRoute } from '../route.ts';

const tag = 'Clusters';
const everybody = ['viewer', 'sales', 'operator', 'dba', 'owner'] as const;
const clusterParams = z.object({ cluster: idParam('cluster') });

export const clusterChangeSchema = z
  .strictObject({
    capacity: clusterLimits.capacity.optional(),
    connection_budget: clusterLimits.connection_budget.optional(),
    warm_min: clusterLimits.warm_min.optional(),
    warm_max: clusterLimits.warm_max.optional(),
    pooler_url: poolerUrlSchema
      .nullable()
      .optional()
      .openapi({ description: 'null: runtimes go to the server itself. In force within seconds.' }),
  })
  .refine((change) => Object.keys(change).length > 0, 'must change something')
  .openapi('ClusterChange');

export const registeredClusterSchema = clusterSchema
  .extend({
    problems: z
      .array(z.string())
      .openapi({ description: 'What the server could do better; none of it forbids its use.' }),
  })
  .openapi('RegisteredCluster');

export const clusterRoutes: readonly AdminRoute[] = [
  defineRoute(
    {
      method: 'post',
      path: '/v1/clusters',
      operationId: 'registerCluster',
      tag,
      summary: 'Register a PostgreSQL server',
      description:
        'Probes the server, hardens it and installs the provisioning functions, once, as its superuser. The superuser credential is used for this request and not stored. Repeating a registration that failed does no harm.',
      access: ['dba', 'owner'],
      audit: 'cluster.register',
      body: newClusterSchema,
      answers: {
        201: { description: 'Registered and active.', schema: registeredClusterSchema, headers: ['Location', 'ETag'] },
      },
      faults: ['name_taken', 'cluster_unreachable', 'cluster_unsuitable', 'not_our_object', 'operation_in_progress'],
    },
    async (deps, { c, body, caller }) => {
      const { row, problems } = await registerCluster(deps, body, caller);
      return c.json({ ...presentCluster(row), problems }, 201, {
        location: `/v1/clusters/${row.id}`,
        etag: etagOf(row),
      });
    },
  ),
  defineRoute(
    {
      method: 'get',
      path: '/v1/clusters',
      operationId: 'listClusters',
      tag,
      summary: 'List clusters, newest first',
      access: everybody,
      query: z.object({
        ...pageQuery,
        region: regionSchema.optional(),
        state: z.enum(['active', 'draining', 'retired']).optional(),
      }),
      answers: {
        200: { description: 'One page.', schema: pageSchema('ClusterPage', clusterSchema), headers: ['Link'] },
      },
      faults: ['cursor_invalid'],
    },
    async (deps, request) => {
      const { region, state } = request.query;
      return await answerPage(deps, request, {
        list: 'clusters',
        filter: { region, state },
        read: ({ after, limit }) => listClusters(deps.db, { region, state, after, limit }),
        keyOf: (row) => row.id,
        present: presentCluster,
      });
    },
  ),
  defineRoute(
    {
      method: 'get',
      path: '/v1/clusters/{cluster}',
      operationId: 'getCluster',
      tag,
      summary: 'Read one cluster by id or name',
      access: everybody,
      params: z.object({
        cluster: z
          .string()
          .refine(
            (text) => isId('cluster', text) || clusterNameSchema.safeParse(text).success,
            'must be a cluster id (cls_…) or a name',
          )
          .openapi({ description: 'The id or the name.' }),
      }),
      answers: { 200: { description: 'The cluster.', schema: clusterWithSharesSchema, headers: ['ETag'] } },
      faults: ['cluster_not_found'],
    },
    async (deps, { c, params }) => {
      const row = await findCluster(deps.db, params.cluster);
      const shares = await listShares(deps.db, [row.id]);
      return c.json(presentClusterWithShares(row, shares), 200, { etag: etagOf(row) });
    },
  ),
  defineRoute(
    {
      method: 'patch',
      path: '/v1/clusters/{cluster}',
      operationId: 'updateCluster',
      tag,
      summary: 'Change capacity, connection budget, warm stock or pooler',
      description: 'A capacity below what is in use stops new databases; nothing is moved away.',
      access: ['dba', 'owner'],
      audit: 'cluster.update',
      params: clusterParams,
      headers: ifMatchHeaders,
      body: clusterChangeSchema,
      answers: { 200: { description: 'The cluster as it is now.', schema: clusterSchema, headers: ['ETag'] } },
      faults: ['cluster_not_found', 'stale_version', 'if_match_required'],
    },
    async (deps, { c, params, headers, body, caller }) => {
      const version = expectedVersion(headers);
      const row = await deps.db.transaction().execute(async (tx) => {
        const change = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
        const before = await findCluster(tx, params.cluster);
        const after = { ...before, ...change };
        if (after.warm_min > after.warm_max) {
          const errors = [{ pointer: '/warm_max', message: 'must not be below warm_min' }];
          throw edgeFault('invalid_body', 'warm_max must not be below warm_min.', { extra: { errors } });
        }
        return await updateCluster(tx, params.cluster, version, change, caller);
      });
      return c.json(presentCluster(row), 200, { etag: etagOf(row) });
    },
  ),
  defineRoute(
    {
      method: 'post',
      path: '/v1/clusters/{cluster}/install',
      operationId: 'installCluster',
      tag,
      summary: 'Install the provisioning functions again',
      description:
        'Brings functions, template and roles of the cluster to this version of Freehold, as its superuser, and probes the server anew. What is right already is left alone: tenants and their databases are not touched, and nobody is disconnected. The superuser credential is used for this request and not stored.',
      access: ['dba', 'owner'],
      audit: 'cluster.install',
      params: clusterParams,
      body: clusterInstallSchema,
      answers: {
        200: { description: 'The cluster as it is now.', schema: registeredClusterSchema, headers: ['ETag'] },
      },
      faults: ['cluster_not_found', 'cluster_unreachable', 'cluster_unsuitable', 'operation_in_progress'],
    },
    async (deps, { c, params, body, caller }) => {
      const { row, problems } = await reinstallCluster(deps, params.cluster, body, caller);
      return c.json({ ...presentCluster(row), problems }, 200, { etag: etagOf(row) });
    },
  ),
  stateRoute('drain', 'draining', 'Give the cluster no new tenants', 'Tenants that are there stay and are served.'),
  stateRoute('activate', 'active', 'Give a draining cluster new tenants again'),
];

function stateRoute(
  verb: 'drain' | 'activate',
  state: 'active' | 'draining',
  summary: string,
  description?: string,
): AdminRoute {
  return defineRoute(
    {
      method: 'post',
      path: `/v1/clusters/{cluster}/${verb}`,
      operationId: `${verb}Cluster`,
      tag,
      summary,
      ...(description !== undefined && { description }),
      access: ['dba', 'owner'],
      audit: `cluster.${verb}`,
      params: clusterParams,
      answers: { 200: { description: 'The cluster as it is now.', schema: clusterSchema, headers: ['ETag'] } },
      faults: ['cluster_not_found', 'wrong_state'],
    },
    async (deps: AdminApiDeps, { c, params, caller }) => {
      const row = await deps.db.transaction().execute((tx) => setClusterState(tx, params.cluster, state, caller));
      return c.json(presentCluster(row), 200, { etag: etagOf(row) });
    },
  );
}
