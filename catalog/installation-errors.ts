// Owns the codes whose mend is outside the request: clusters, databases, the queue, the catalog, migration files.
import type { FaultTable } from '../platform/errors.ts';

export const installationFaults = {
  cluster_unreachable: {
    kind: 'unavailable',
    title: 'The cluster does not answer',
    cause: 'No connection to the PostgreSQL server could be made, or it refused the credentials.',
    check: 'Check host, port, TLS and the superuser credential; the control plane must reach the server.',
    who: 'dba',
  },
  cluster_refused: {
    kind: 'internal',
    title: 'The cluster refused a statement',
    cause: 'A step of an operation ran into an error of PostgreSQL that no other attempt will mend.',
    check: 'Read `internal` of the operation: it holds the SQLSTATE and the message of the server.',
    who: 'dba',
  },
  cluster_unsuitable: {
    kind: 'invalid',
    title: 'The server does not meet the requirements',
    cause:
      'It is below the minimum version, lets logins in without a password, allows prepared transactions, or the credential is not a superuser.',
    check: 'Read `problems` of the problem document: each names the setting and the value that is needed.',
    who: 'dba',
  },
  not_our_object: {
    kind: 'conflict',
    title: 'An object of this name is not ours',
    cause:
      'The cluster holds a database or role of this name without the mark of this installation. It is never adopted and never dropped.',
    check: 'Find out who made it; rename or remove it by hand; run fsck.',
    who: 'dba',
  },
  identity_mismatch: {
    kind: 'internal',
    title: 'The database is not the one the catalog means',
    cause: 'The identity row names another database or another tenant. It is refused, never served.',
    check: 'Run fsck; look for a restored backup or a database that was created again by hand.',
    who: 'dba',
  },
  lease_lost: {
    kind: 'conflict',
    title: 'Another worker runs the operation',
    cause: 'The lease of this run was taken over. Its late writes change nothing.',
    check: 'Nothing: the other run finishes the work.',
    who: 'developer',
  },
  unknown_operation_kind: {
    kind: 'internal',
    title: 'No such kind of operation',
    cause: 'The catalog holds an operation that this version of the worker does not know.',
    check: 'Upgrade all workers to the version of the API.',
    who: 'operator',
  },
  database_incomplete: {
    kind: 'internal',
    title: 'The catalog lacks a part of the database',
    cause: 'An operation needs a database, a cluster or a sealed password that the catalog does not hold.',
    check: 'Run fsck; look for rows removed by hand or a catalog restored from a backup.',
    who: 'dba',
  },
  sessions_left: {
    kind: 'unavailable',
    title: 'Sessions are still open',
    cause: 'The database is closed to new sessions, but some of the old ones have not ended yet.',
    check:
      'Nothing, the operation goes on ending them. When it lasts, look for a backend that does not react on its cluster.',
    who: 'dba',
  },
  catalog_unavailable: {
    kind: 'unavailable',
    title: 'The catalog does not answer',
    cause: 'The catalog database cannot be reached at the moment.',
    check: 'Look at the catalog database; requests for known tenants go on meanwhile.',
    who: 'operator',
  },
  tenant_database_unavailable: {
    kind: 'unavailable',
    title: 'The database does not answer',
    cause:
      'The connection to the tenant database was lost or could not be opened; the outcome of a statement in flight is unknown.',
    check: 'Retry a read; before retrying a write find out whether it took effect.',
    who: 'operator',
  },
  sealing_keys_mismatch: {
    kind: 'unavailable',
    title: 'The sealing keys are not those of this catalog',
    cause: 'A process was started with FREEHOLD_SEALING_KEYS that cannot open what is stored.',
    check: 'Start with the keys that the other processes have. To rotate, put the new key first and keep the old one.',
    who: 'operator',
  },
  queue_unsafe: {
    kind: 'invalid',
    title: 'The queue may lose jobs',
    cause: 'Redis runs with a maxmemory-policy that evicts keys.',
    check: 'Set `maxmemory-policy noeviction` on the Redis of FREEHOLD_QUEUE_URL.',
    who: 'operator',
  },
  queue_outdated: {
    kind: 'invalid',
    title: 'The schema of the queue does not fit',
    cause: 'The queue database was migrated by another major version of the queue library, or by none.',
    check: 'Start one control plane of this version alone: it migrates the queue before it works on it.',
    who: 'operator',
  },
  queue_unavailable: {
    kind: 'unavailable',
    title: 'The queue does not answer',
    cause: 'The Redis or PostgreSQL of FREEHOLD_QUEUE_URL cannot be reached, or refused the credentials.',
    check: 'Look at the queue server. Operations that were accepted are kept in the catalog and go on when it is back.',
    who: 'operator',
  },
  cluster_outdated: {
    kind: 'conflict',
    title: 'The cluster was prepared by an older Freehold',
    cause: 'The provisioning functions on the cluster lack one that this version needs.',
    check: 'Run `freehold clusters upgrade <cluster> --superuser-url -`; nobody who is connected notices.',
    who: 'operator',
  },
  migration_invalid: {
    kind: 'invalid',
    title: 'A migration file cannot be used',
    cause: 'A file of a lane does not parse, is named twice or is of a form that is not supported.',
    check: 'The message names the file and what is wrong with it.',
    who: 'dba',
  },
} as const satisfies FaultTable;
