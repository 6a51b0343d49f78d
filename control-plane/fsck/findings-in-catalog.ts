// Owns what fsck can find in the catalog: rows that contradict each other, and secrets.
import { byHand, type FindingTable, restored } from './finding-spec.ts';

export const findingsInCatalog = {
  tenant_without_database: {
    severity: 'error',
    cause: restored,
    next: 'Find its database by the identity rows; without one, restore the tenant from its backup.',
  },
  tenant_with_two_databases: {
    severity: 'error',
    cause: restored,
    next: 'Compare the identity rows; retire the one that is not in use.',
  },
  tenant_stuck: {
    severity: 'error',
    cause: 'The state waits for an operation, and there is none.',
    next: 'Look at the last operation of the tenant, and retry it.',
  },
  database_of_gone_tenant: {
    severity: 'error',
    cause: restored,
    next: 'Look into the database; then start drop-database for it.',
  },
  database_unsettled: {
    severity: 'warning',
    cause: 'Its operation has ended without it, or was stopped for a person to decide.',
    next: 'Look at its last operation; retry it, or let orphan-databases start another.',
  },
  fence_misfit: {
    severity: 'error',
    cause: restored,
    next: 'Suspend or resume the tenant once more, so that row, state and cluster agree.',
  },
  databases_used_wrong: {
    severity: 'warning',
    cause: restored,
    next: 'Set clusters.databases_used to the count; until then placement believes the wrong number.',
  },
  operation_misfit: {
    severity: 'error',
    cause: restored,
    next: 'Cancel the operation; nobody else can change the tenant while it is unfinished.',
    evenInProgress: true,
  },
  idempotency_dangling: {
    severity: 'warning',
    cause: restored,
    next: 'Delete the key: a client that repeats the request gets an error instead of its tenant.',
  },
  route_incomplete: {
    severity: 'error',
    cause: 'The view runtime.routes is not the one of this version.',
    next: 'Compare the view with migrations/catalog/schema.sql; the runtime does not serve the tenant.',
  },
  runtime_rights: {
    severity: 'error',
    cause: byHand,
    next: 'Revoke it from freehold_runtime: the runtime must see its routes and keys, and nothing else.',
  },
  secret_missing: {
    severity: 'error',
    cause: restored,
    next: 'Rotate the password of the login: a new one is sealed and set.',
  },
  secret_left: {
    severity: 'warning',
    cause: restored,
    next: 'Delete the row: the database it opened is gone.',
  },
  secret_key_unknown: {
    severity: 'error',
    cause: 'A retired sealing key was removed too early, or the catalog is of another installation.',
    next: 'Add the key to FREEHOLD_SEALING_KEYS behind the current one.',
  },
  secret_damaged: {
    severity: 'error',
    cause: 'The text was changed, or copied from the row of something else.',
    next: 'Look in the audit for who wrote it; rotate the password.',
  },
} as const satisfies FindingTable;
