// Owns what a product's handler gets to know of its tenant: c.var.tenant. Promises that it leads to this tenant and nowhere
// else: no pool, no credential, no route and no other tenant can be reached from it, by whatever property or symbol.
import type { IsolationLevel, Kysely, Transaction } from 'kysely';
import type { Log } from '../../platform/log.ts';
import { createKyselyOn } from '../../platform/postgres/kysely-dialect.ts';
import type { TenantContext } from '../resolve-tenant.ts';
import type { RequestDatabase } from './request-database.ts';

export type Tenant<DB> = {
  /** `tnt_…` */
  readonly id: string;
  /** All verified claims of the token, also those that only the product knows. */
  readonly claims: TenantClaims;
  /** Statements of this request in this tenant's database. int8 and numeric are strings, timestamptz is a Date. */
  readonly db: Kysely<DB>;
  /** What `fn` throws undoes what it did, and nothing else. */
  transaction<T>(fn: (db: Transaction<DB>) => Promise<T>, options?: { isolation?: IsolationLevel }): Promise<T>;
  /** Aborts at the deadline and when the client leaves; statements that run are cancelled by themselves. */
  readonly signal: AbortSignal;
  /** Lines carry the request id and the tenant id. */
  readonly log: TenantLog;
};

export type TenantClaims = Readonly<Record<string, unknown>> & { readonly sub: string };

type LogLine = (fields: Record<string, unknown>, message: string) => void;
export type TenantLog = Readonly<Record<'debug' | 'info' | 'warn' | 'error', LogLine>>;

export function createTenant<DB>(
  { claims, claimsJson }: TenantContext,
  database: RequestDatabase,
  signal: AbortSignal,
  log: Log,
): Tenant<DB> {
  const db = createKyselyOn<DB>(() => database.acquire());
  return Object.freeze({
    id: claims.tid,
    claims: frozen(JSON.parse(claimsJson)) as TenantClaims,
    db,
    transaction<T>(fn: (trx: Transaction<DB>) => Promise<T>, { isolation }: { isolation?: IsolationLevel } = {}) {
      const transaction = db.transaction();
      return (isolation === undefined ? transaction : transaction.setIsolationLevel(isolation)).execute(fn);
    },
    signal,
    log: tenantLog(log, claims.tid),
  });
}

/** Four functions in the place of a logger, whose own members lead to its stream. */
function tenantLog(log: Log, tenantId: string): TenantLog {
  const line =
    (level: 'debug' | 'info' | 'warn' | 'error'): LogLine =>
    (fields, message) =>
      log[level]({ ...fields, tenant_id: tenantId }, message);
  return Object.freeze({ debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') });
}

function frozen(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  for (const member of Object.values(value)) frozen(member);
  return Object.freeze(value);
}
