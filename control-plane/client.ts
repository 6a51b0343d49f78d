// Owns the typed way into the admin API for everything outside it: command line, console, scripts, tests. Written by hand over the
// types of the routes' schemas: the types of a client derived from forty routes cost the compiler seconds and readers their
// patience. Only types are imported from the API, so a program that uses the client loads none of it.
import { randomUUID } from 'node:crypto';
import type { z } from '@hono/zod-openapi';
import { createJsonClient, type JsonClient, type JsonClientOptions } from '../platform/http/json-client.ts';
import type { tenantAndOperationSchema } from './api/answer-operation.ts';
import type { ApiKey } from './api/present/api-key.ts';
import type { AuditEntryView } from './api/present/audit-entry.ts';
import type { Cluster, ClusterWithShares } from './api/present/cluster.ts';
import type { FsckReportView } from './api/present/fsck-report.ts';
import type { Operation, OperationWithSteps } from './api/present/operation.ts';
import type { Plan } from './api/present/plan.ts';
import type { Reconciler } from './api/present/reconciler.ts';
import type { Rollout, RolloutInFull, RolloutView } from './api/present/rollout.ts';
import type { RolloutMember } from './api/present/rollout-member.ts';
import type { RolloutPlanView } from './api/present/rollout-plan.ts';
import type { RuntimeInstance } from './api/present/runtime-instance.ts';
import type { SigningKeyView } from './api/present/signing-key.ts';
import type { TargetGroup } from './api/present/target-group.ts';
import type { Tenant } from './api/present/tenant.ts';
import type { newClusterSchema } from './api/register-cluster.ts';
import type { clusterInstallSchema } from './api/reinstall-cluster.ts';
import type { createdApiKeySchema, newApiKeySchema } from './api/routes/api-keys.ts';
import type { clusterChangeSchema, registeredClusterSchema } from './api/routes/clusters.ts';
import type { readinessSchema } from './api/routes/health.ts';
import type { meSchema } from './api/routes/installation.ts';
import type { newPlanSchema, planChangeSchema } from './api/routes/plans.ts';
import type { MintedToken, newTokenSchema } from './api/routes/tenant-tokens.ts';
import type { newTenantSchema, tenantChangeSchema } from './api/routes/tenants.ts';
import { fleetOf } from './client/fleet.ts';
import { followOperation } from './client/follow-operation.ts';
import { ifMatch, listOf, segment } from './client/pages.ts';
import { releasesOf } from './client/releases.ts';
import { rolloutsOf, targetGroupsOf } from './client/rollouts.ts';

export { ApiProblem } from '../platform/http/json-client.ts';
export type {
  DryRun,
  DryRunLineView,
  FleetDriftLine,
  FleetQuery,
  FleetQueryLine,
  FleetSelection,
  FleetStatusView,
  SchemaDifferenceView,
} from './client/fleet.ts';
export type { Page, PageOptions } from './client/pages.ts';
export type { LintFinding, NewRelease, Release, ReleaseDetail, ReleaseSqlFile } from './client/releases.ts';
export type {
  NewRollout,
  NewTargetGroup,
  RolloutEvent,
  TargetGroupChange,
} from './client/rollouts.ts';
export type {
  ApiKey,
  AuditEntryView,
  Cluster,
  ClusterWithShares,
  FsckReportView,
  MintedToken,
  Operation,
  OperationWithSteps,
  Plan,
  Reconciler,
  Rollout,
  RolloutInFull,
  RolloutMember,
  RolloutPlanView,
  RolloutView,
  RuntimeInstance,
  SigningKeyView,
  TargetGroup,
  Tenant,
};

export type NewTenant = z.input<typeof newTenantSchema>;
export type TenantChange = z.input<typeof tenantChangeSchema>;
export type NewCluster = z.input<typeof newClusterSchema>;
export type ClusterChange = z.input<typeof clusterChangeSchema>;
export type ClusterInstall = z.input<typeof clusterInstallSchema>;
export type RegisteredCluster = z.output<typeof registeredClusterSchema>;
export type NewPlan = z.input<typeof newPlanSchema>;
export type PlanChange = z.input<typeof planChangeSchema>;
export type NewApiKey = z.input<typeof newApiKeySchema>;
export type CreatedApiKey = z.output<typeof createdApiKeySchema>;
export type NewToken = z.input<typeof newTokenSchema>;
export type Me = z.output<typeof meSchema>;
export type Readiness = z.output<typeof readinessSchema>;
/** `replayed`: the answer is that of an earlier request with the same Idempotency-Key. `done`: the server waited, and it is done. */
export type TenantAndOperation = z.output<typeof tenantAndOperationSchema> & { done: boolean; replayed: boolean };

export type TenantFilter = {
  state?: Tenant['state'] | undefined;
  region?: string | undefined;
  plan?: string | undefined;
  slug?: string | undefined;
  /** Each `name:value`. */
  label?: string | string[] | undefined;
};
export type WaitOptions = {
  /** Ask the server to wait so many seconds for the end of the operation. */
  waitSec?: number | undefined;
  /** Refuse as stale when the tenant has another version by now. */
  version?: number | undefined;
  signal?: AbortSignal | undefined;
};
export type CreateOptions = Omit<WaitOptions, 'version'> & { idempotencyKey?: string | undefined };
export type ClientOptions = Omit<JsonClientOptions, 'token'> & { apiKey?: string | undefined };
export type Client = ReturnType<typeof createClient>;

/** Every method throws ApiProblem for an answer that is a problem document. */
export function createClient({ apiKey, ...options }: ClientOptions) {
  const http = createJsonClient({ ...options, token: apiKey });
  const get = async <T>(path: string, query?: object): Promise<T> =>
    (await http.send<T>({ method: 'GET', path, query })).body;
  const change = async <T>(
    method: 'POST' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<T> => (await http.send<T>({ method, path, body, headers })).body;
  const move =
    (method: 'POST' | 'DELETE', verb: string) =>
    async (id: string, wait: WaitOptions = {}) =>
      await startOperation(http, { method, path: `/v1/tenants/${segment(id)}${verb}` }, wait);
  const list = listOf(get);
  const getOperation = (id: string) => get<OperationWithSteps>(`/v1/operations/${segment(id)}`);

  return {
    tenants: {
      ...list<Tenant, TenantFilter>('/v1/tenants'),
      /** Safe to lose the answer of: the request is repeated under its Idempotency-Key, a new one unless given. */
      create: (tenant: NewTenant, { idempotencyKey = randomUUID(), ...wait }: CreateOptions = {}) =>
        startOperation(
          http,
          {
            method: 'POST',
            path: '/v1/tenants',
            body: tenant,
            headers: { 'idempotency-key': idempotencyKey },
            repeatable: true,
          },
          wait,
        ),
      get: (idOrSlug: string) => get<Tenant>(`/v1/tenants/${segment(idOrSlug)}`),
      update: (id: string, body: TenantChange, { version }: { version: number }) =>
        change<Tenant>('PATCH', `/v1/tenants/${segment(id)}`, body, ifMatch(version)),
      suspend: move('POST', '/suspend'),
      resume: move('POST', '/resume'),
      delete: move('DELETE', ''),
      undelete: move('POST', '/undelete'),
      purge: move('POST', '/purge'),
      mintToken: (id: string, body: NewToken) => change<MintedToken>('POST', `/v1/tenants/${segment(id)}/tokens`, body),
    },
    clusters: {
      ...list<Cluster, { region?: string | undefined; state?: Cluster['state'] | undefined }>('/v1/clusters'),
      register: (cluster: NewCluster) => change<RegisteredCluster>('POST', '/v1/clusters', cluster),
      get: (idOrName: string) => get<ClusterWithShares>(`/v1/clusters/${segment(idOrName)}`),
      update: (id: string, body: ClusterChange, { version }: { version: number }) =>
        change<Cluster>('PATCH', `/v1/clusters/${segment(id)}`, body, ifMatch(version)),
      install: (id: string, superuser: ClusterInstall) =>
        change<RegisteredCluster>('POST', `/v1/clusters/${segment(id)}/install`, superuser),
      drain: (id: string) => change<Cluster>('POST', `/v1/clusters/${segment(id)}/drain`),
      activate: (id: string) => change<Cluster>('POST', `/v1/clusters/${segment(id)}/activate`),
    },
    plans: {
      ...list<Plan>('/v1/plans'),
      get: (id: string) => get<Plan>(`/v1/plans/${segment(id)}`),
      create: (plan: NewPlan) => change<Plan>('POST', '/v1/plans', plan),
      update: (id: string, body: PlanChange, { version }: { version: number }) =>
        change<Plan>('PATCH', `/v1/plans/${segment(id)}`, body, ifMatch(version)),
    },
    releases: releasesOf(get, change),
    operations: {
      ...list<
        Operation,
        { tenant_id?: string | undefined; state?: Operation['state'] | undefined; kind?: string | undefined }
      >('/v1/operations'),
      get: getOperation,
      cancel: (id: string) => change<Operation>('POST', `/v1/operations/${segment(id)}/cancel`),
      retry: (id: string) => change<Operation>('POST', `/v1/operations/${segment(id)}/retry`),
      /** Each change as it happens, the present state first, a final state last. */
      follow: (id: string, signal?: AbortSignal) => followOperation(http, getOperation, id, signal),
      /** The operation in its final state, whichever that is. @throws DOMException TimeoutError */
      wait: async (id: string, { timeoutMs = 300_000 }: { timeoutMs?: number } = {}): Promise<OperationWithSteps> => {
        const signal = AbortSignal.timeout(timeoutMs);
        let latest: OperationWithSteps | undefined;
        for await (const operation of followOperation(http, getOperation, id, signal)) latest = operation;
        if (latest === undefined) throw signal.reason;
        return latest;
      },
    },
    apiKeys: {
      ...list<ApiKey>('/v1/api-keys'),
      create: (key: NewApiKey) => change<CreatedApiKey>('POST', '/v1/api-keys', key),
      revoke: (id: string) => change<ApiKey>('DELETE', `/v1/api-keys/${segment(id)}`),
    },
    signingKeys: {
      all: async () => (await get<{ data: SigningKeyView[] }>('/v1/signing-keys')).data,
      rotate: () => change<SigningKeyView>('POST', '/v1/signing-keys/rotate'),
      revoke: (kid: string) => change<SigningKeyView>('POST', `/v1/signing-keys/${segment(kid)}/revoke`),
      jwks: () => get<{ keys: Record<string, unknown>[] }>('/.well-known/jwks.json'),
    },
    audit: list<
      AuditEntryView,
      { target_id?: string | undefined; actor?: string | undefined; action?: string | undefined }
    >('/v1/audit'),
    reconcilers: {
      all: async () => (await get<{ data: Reconciler[] }>('/v1/reconcilers')).data,
      run: (name: string) => change<Reconciler>('POST', `/v1/reconcilers/${segment(name)}/run`),
    },
    runtimes: async () => (await get<{ data: RuntimeInstance[] }>('/v1/runtimes')).data,
    fsck: async ({ deep, timeoutMs = 600_000 }: { deep?: boolean; timeoutMs?: number } = {}) =>
      (
        await http.send<FsckReportView>({
          method: 'POST',
          path: '/v1/fsck',
          query: { deep },
          repeatable: true,
          extraMs: timeoutMs,
        })
      ).body,
    fleet: fleetOf(http, get, change),
    rollouts: rolloutsOf(http, get, change),
    targetGroups: targetGroupsOf(get, change),
    me: () => get<Me>('/v1/me'),
    /** An answer whether ready or not; only a server that gives none is an error. */
    readiness: async (): Promise<Readiness> => {
      const { baseUrl, timeoutMs = 30_000, fetch: doFetch = fetch } = options;
      const answer = await doFetch(`${baseUrl.replace(/\/+$/, '')}/readyz`, { signal: AbortSignal.timeout(timeoutMs) });
      return (await answer.json()) as Readiness;
    },
  };
}

type Start = {
  method: 'POST' | 'DELETE';
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
  repeatable?: boolean;
};

async function startOperation(
  http: JsonClient,
  start: Start,
  { waitSec, version, signal }: WaitOptions,
): Promise<TenantAndOperation> {
  const answer = await http.send<z.output<typeof tenantAndOperationSchema>>({
    ...start,
    headers: {
      ...start.headers,
      ...(waitSec !== undefined && { prefer: `wait=${waitSec}` }),
      ...(version !== undefined && ifMatch(version)),
    },
    extraMs: (waitSec ?? 0) * 1_000,
    signal,
  });
  return {
    ...answer.body,
    done: answer.status !== 202,
    replayed: answer.headers.get('idempotent-replayed') === 'true',
  };
}
