// Owns what fsck can find on a cluster without looking into a database: the cluster itself, databases and roles.
import { byHand, type FindingTable, restored } from './finding-spec.ts';

/** The name of the cluster is put in where it is found (finding.ts). */
const upgrade = 'Run `freehold clusters upgrade <cluster> --superuser-url -`: it mends that and leaves the rest alone.';
const setAgain =
  'The reconciler role-settings sets it again within a minute and tells of it; find out who changed it (audit: database.mend_role).';

export const findingsOnClusters = {
  // clusters
  cluster_unreachable: {
    severity: 'error',
    cause: 'The server is down, cannot be reached from here, refuses the provisioner, or lost its functions.',
    next: `Look at the server; nothing on it was checked. Where the provisioner or its functions are what is wrong: ${upgrade} Run fsck again.`,
  },
  functions_outdated: {
    severity: 'warning',
    cause: 'The provisioning functions of the cluster are of another version of Freehold.',
    next: upgrade,
  },
  template_missing: {
    severity: 'error',
    cause: byHand,
    next: `${upgrade} Until then no database can be made there.`,
  },
  template_unprotected: {
    severity: 'error',
    cause: byHand,
    next: 'Close it: ALTER DATABASE freehold_template ALLOW_CONNECTIONS false IS_TEMPLATE true; then look for what was put into it.',
  },
  template_outdated: {
    severity: 'warning',
    cause: 'The template is of another version of Freehold, or its comment was changed.',
    next: upgrade,
  },
  public_may_connect: {
    severity: 'error',
    cause: 'The database was made after the cluster was registered, or the right was given back by hand.',
    next: 'REVOKE ALL ON DATABASE … FROM PUBLIC: every tenant login may enter it now.',
  },
  cluster_role_missing: {
    severity: 'error',
    cause: byHand,
    next: upgrade,
  },
  cluster_role_changed: {
    severity: 'error',
    cause: byHand,
    next: `Find out who changed it. ${upgrade}`,
  },
  cluster_role_is_member: {
    severity: 'error',
    cause: 'A membership was given by hand, or the process that had lent it died before it took it back.',
    next: 'Revoke it: the provisioner must be able to reach no existing database.',
  },
  outsider_is_member: {
    severity: 'error',
    cause: 'A role that is not of this database was made a member of its roles by hand.',
    next: 'Find out who needs it and why; revoke it.',
  },
  orphan_directory: {
    severity: 'warning',
    cause: 'The server died inside CREATE DATABASE and left the files (P08).',
    next: 'Compare with pg_database once more, stop the server, and remove the folder by hand. Freehold never does.',
  },

  // databases on clusters
  database_missing: {
    severity: 'error',
    cause: `The database was dropped by hand, or its cluster was restored from before it was made. ${restored}`,
    next: 'Restore the database from its backup. The tenant has no data until then.',
  },
  database_without_row: {
    severity: 'warning',
    cause: `The catalog does not know it any more. ${restored}`,
    next: 'The reconciler orphan-databases removes it after its grace time, unless it holds a tenant.',
  },
  database_on_wrong_cluster: {
    severity: 'error',
    cause: 'A copy of the database is on a second cluster: a move was broken off, or a server was cloned.',
    next: 'Make sure which one the tenant uses (the catalog names it); keep the other closed, then drop it.',
  },
  database_foreign: {
    severity: 'error',
    cause: 'Somebody else made a database with a name of our form, or its mark was changed (P14).',
    next: 'Find out whose it is. Freehold neither uses nor drops it; rename or remove it by hand.',
  },
  database_unmarked: {
    severity: 'warning',
    cause: 'It was never finished, or its comment was removed by hand.',
    next: 'Unless an operation is about to finish it, set the mark again with freehold.finish_database.',
  },
  database_invalid: {
    severity: 'error',
    cause: 'A DROP DATABASE was interrupted (P09). What was in it is lost.',
    next: 'Drop it again; where a tenant holds it, restore the tenant from its backup.',
  },
  database_wrong_owner: {
    severity: 'error',
    cause: byHand,
    next: 'Give it back: ALTER DATABASE … OWNER TO its _own role.',
  },
  database_open: {
    severity: 'error',
    cause: 'The database was opened by hand, or a suspension was undone outside of Freehold.',
    next: 'Suspend the tenant again, or close it: ALTER DATABASE … ALLOW_CONNECTIONS false, and end its sessions.',
  },
  database_closed: {
    severity: 'error',
    cause: 'The database was closed by hand, or a resume was broken off.',
    next: 'Open it: ALTER DATABASE … ALLOW_CONNECTIONS true. Its tenant is not served until then.',
  },
  database_is_template: {
    severity: 'error',
    cause: 'Its owner or a superuser marked it so.',
    next: 'ALTER DATABASE … IS_TEMPLATE false: every login with CREATEDB can copy it now.',
  },
  database_connection_limit: {
    severity: 'warning',
    cause: 'Its owner or a superuser set it.',
    next: 'ALTER DATABASE … CONNECTION LIMIT -1: the limits of Freehold are on the logins.',
  },
  database_setting: {
    severity: 'warning',
    cause: 'Its owner, by a migration, or a superuser set it.',
    next: 'ALTER DATABASE … RESET ALL, unless it is meant.',
  },
  database_grant_missing: {
    severity: 'error',
    cause: byHand,
    next: 'GRANT CONNECT ON DATABASE … TO the group of the same name: no login can enter.',
  },
  database_grant_extra: {
    severity: 'error',
    cause: 'Its owner or a superuser granted it.',
    next: 'Revoke it: only the group of the same name may connect, and nobody may do more.',
  },

  // roles
  role_missing: {
    severity: 'error',
    cause: byHand,
    next: 'Make it again with freehold.make_roles; the passwords are in the catalog.',
  },
  role_without_row: {
    severity: 'warning',
    cause: `The database was dropped or its row is gone, and its roles are not. ${restored}`,
    next: 'The reconciler orphan-databases removes them after its grace time.',
  },
  role_foreign: {
    severity: 'error',
    cause: 'Somebody else made a role with a name of our form, or its mark was changed (P14).',
    next: 'Find out whose it is. Freehold neither uses nor drops it; rename or remove it by hand.',
  },
  role_changed: {
    severity: 'error',
    cause: byHand,
    next: 'Find out who gave it more than it had; ALTER ROLE back.',
  },
  role_connection_limit: {
    severity: 'warning',
    cause: 'It was changed by hand, or the plan has changed since the roles were given their limits.',
    next: setAgain,
  },
  role_setting: {
    severity: 'warning',
    cause: 'The login changed its own defaults (D08), it was done by hand, or the plan has changed since.',
    next: setAgain,
  },
  role_password: {
    severity: 'error',
    cause: 'The login changed its own password (D08), or catalog and cluster are of different backups.',
    next: setAgain,
  },
  membership_missing: {
    severity: 'error',
    cause: byHand,
    next: 'Give it again with freehold.make_roles.',
  },
  membership_extra: {
    severity: 'error',
    cause: byHand,
    next: 'Find out who gave it and why; revoke it.',
  },
} as const satisfies FindingTable;
