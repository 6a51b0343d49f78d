// Owns which rule of squawk counts as which of ours. One cause is one finding: null where we find it ourselves (knowing the other
// files of the release), where the migrator answers for it, or where it is a matter of taste.
import type { RuleId } from './rules.ts';

export const squawkRules: Readonly<Record<string, RuleId | null>> = {
  'ban-alter-domain-with-add-constraint': 'ban-alter-domain-with-add-constraint',
  'ban-char-field': 'ban-char-field',
  'ban-create-domain-with-constraint': 'ban-create-domain-with-constraint',
  'ban-drop-not-null': 'ban-drop-not-null',
  'identifier-too-long': 'identifier-too-long',
  'prefer-bigint-over-int': 'prefer-bigint-over-int',
  'prefer-bigint-over-smallint': 'prefer-bigint-over-smallint',
  'prefer-identity': 'prefer-identity',
  'prefer-text-field': 'prefer-text-field',
  'prefer-timestamp-tz': 'prefer-timestamp-tz',
  'require-concurrent-index-deletion': 'require-concurrent-index-deletion',
  'require-concurrent-partition-detach': 'require-concurrent-partition-detach',
  'require-concurrent-reindex': 'require-concurrent-reindex',

  // Found by us.
  'adding-field-with-default': null,
  'adding-foreign-key-constraint': null,
  'adding-not-nullable-field': null,
  'adding-required-field': null,
  'adding-serial-primary-key-field': null,
  'ban-drop-column': null,
  'ban-drop-database': null,
  'ban-drop-table': null,
  'ban-truncate-cascade': null,
  'changing-column-type': null,
  'constraint-missing-not-valid': null,
  'disallowed-unique-constraint': null,
  'renaming-column': null,
  'renaming-table': null,
  'require-concurrent-index-creation': null,

  // The migrator's: it sets the timeouts, opens and ends the transaction, and resumes what was cut off; the file was refused before.
  'ban-concurrent-index-creation-in-transaction': null,
  'ban-uncommitted-transaction': null,
  'prefer-robust-stmts': null,
  'require-lock-timeout': null,
  'require-statement-timeout': null,
  'require-timeout-settings': null,
  'transaction-nesting': null,

  // PostgreSQL's own parser has taken it.
  'syntax-error': null,

  // Taste.
  'prefer-repack': null,
  'require-enum-value-ordering': null,
  'require-table-schema': null,
  'unused-ignore': null,
};
