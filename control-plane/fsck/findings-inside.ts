// Owns what fsck can find inside a tenant database.
import { type FindingTable, restored } from './finding-spec.ts';

export const findingsInside = {
  database_unreadable: {
    severity: 'error',
    cause: 'Neither the read-only nor the migration login can enter or read, or the database is damaged.',
    next: 'Log in as one of them and look; its inside was not checked.',
  },
  identity_missing: {
    severity: 'error',
    cause: 'The row was deleted or the schema freehold was dropped by hand, or the database was made by other means.',
    next: 'The runtime refuses it. Find out what is in it before anything is written there.',
  },
  identity_wrong_database: {
    severity: 'error',
    cause: 'This is a copy or a restore of another database under this name.',
    next: 'The runtime refuses it. Restore the right one; never stamp the identity over.',
  },
  identity_wrong_tenant: {
    severity: 'error',
    cause: `It holds another tenant than the catalog says. ${restored}`,
    next: 'The runtime refuses it. Find out whose data it is; never stamp the identity over.',
  },
  lanes_differ: {
    severity: 'error',
    cause: 'Migrations were applied past Freehold, or the database or the catalog is of an older backup.',
    next: 'Compare freehold.ledger with the folder of migrations; `freehold fleet drift` shows how its schema differs from its version. Then migrate the database again.',
  },
  object_wrong_owner: {
    severity: 'error',
    cause: 'It was made by hand by another role than the owner.',
    next: 'ALTER … OWNER TO the _own role, as `freehold fleet drift` writes it out: migrations cannot change it, and dropping the roles would fail.',
  },
  object_public: {
    severity: 'error',
    cause: 'It was granted to PUBLIC by a migration or by hand.',
    next: 'Revoke it from PUBLIC (`freehold fleet drift --repair` does what no release grants); grant it to the logins that need it.',
  },
  object_grant_extra: {
    severity: 'warning',
    cause:
      'It was granted by hand. (What every database of the same version has comes from a migration and is not told.)',
    next: 'Revoke it (`freehold fleet drift --repair` does), or grant it by a migration.',
  },
  object_grant_missing: {
    severity: 'warning',
    cause:
      'It was revoked by hand. (What every database of the same version lacks comes from a migration and is not told.)',
    next: 'Grant it again (`freehold fleet drift --repair` does): requests of the tenant fail.',
  },
  default_rights: {
    severity: 'warning',
    cause: 'ALTER DEFAULT PRIVILEGES was run by hand.',
    next: 'Set them as migrations/core does: what the next migration makes would have wrong rights.',
  },
  hardening_missing: {
    severity: 'error',
    cause: 'It was granted to PUBLIC by hand, or the database was not made from the template.',
    next: 'Revoke it as control-plane/postgres/sql/template.sql does.',
  },
} as const satisfies FindingTable;
