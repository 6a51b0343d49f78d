// Owns the rules about statements that keep the application waiting: locks held while a table is read or rewritten.
import type { Rule } from '../rule.ts';

export const lockRules = {
  'require-concurrent-index-creation': {
    severity: 'error',
    existingOnly: true,
    why: 'CREATE INDEX blocks every write to the table until the index is built.',
    remedy: 'Build it with CONCURRENTLY, alone in a file that says "-- freehold: no-transaction".',
    example: '-- freehold: no-transaction\ncreate index concurrently tasks_due on tasks (due_on);',
  },
  'require-concurrent-index-deletion': {
    severity: 'error',
    existingOnly: true,
    why: 'DROP INDEX takes an ACCESS EXCLUSIVE lock on the table, and every reader queues behind it.',
    remedy: 'Drop it with CONCURRENTLY, alone in a file that says "-- freehold: no-transaction".',
    example: '-- freehold: no-transaction\ndrop index concurrently tasks_due;',
  },
  'require-concurrent-reindex': {
    severity: 'error',
    existingOnly: true,
    why: 'REINDEX blocks writes to the table, and reads that would use the index.',
    remedy: 'Write REINDEX … CONCURRENTLY, alone in a file that says "-- freehold: no-transaction".',
    example: '-- freehold: no-transaction\nreindex index concurrently tasks_due;',
  },
  'require-concurrent-partition-detach': {
    severity: 'error',
    existingOnly: true,
    why: 'DETACH PARTITION takes an ACCESS EXCLUSIVE lock on the whole partitioned table.',
    remedy: 'Write DETACH PARTITION … CONCURRENTLY, alone in a file that says "-- freehold: no-transaction".',
    example: '-- freehold: no-transaction\nalter table events detach partition events_2025 concurrently;',
  },
  'adding-not-nullable-field': {
    severity: 'error',
    existingOnly: true,
    why: 'SET NOT NULL reads the whole table under an ACCESS EXCLUSIVE lock; nobody reads or writes it meanwhile.',
    remedy:
      'Add CHECK (column IS NOT NULL) NOT VALID, validate it in a later file, and only then SET NOT NULL: PostgreSQL then trusts the check.',
    example:
      'alter table tasks add constraint tasks_due_given check (due_on is not null) not valid;\n-- next file\nalter table tasks validate constraint tasks_due_given;\n-- next file\nalter table tasks alter column due_on set not null;\nalter table tasks drop constraint tasks_due_given;',
  },
  'adding-required-field': {
    severity: 'error',
    existingOnly: true,
    why: 'A NOT NULL column without a default fails in every table that has rows, and in every INSERT of the older application.',
    remedy: 'Give it a constant default, or add it nullable, fill it, and make it NOT NULL later.',
    example: "alter table tasks add column priority text not null default 'normal';",
  },
  'adding-field-with-default': {
    severity: 'error',
    existingOnly: true,
    why: 'A default that differs from row to row (also serial, identity and stored generated columns) rewrites the table under an ACCESS EXCLUSIVE lock.',
    remedy: 'Add the column without it, set the default for new rows, and fill the old ones in batches.',
    example:
      'alter table tasks add column public_id uuid;\nalter table tasks alter column public_id set default gen_random_uuid();',
  },
  'constraint-missing-not-valid': {
    severity: 'error',
    existingOnly: true,
    why: 'A CHECK or FOREIGN KEY reads the whole table when it is added, while writes wait; a foreign key stops writes to both tables.',
    remedy: 'Add it NOT VALID and validate it in a later file, which lets reads and writes go on.',
    example:
      'alter table tasks add constraint tasks_owner foreign key (owner_id) references people (id) not valid;\n-- next file\nalter table tasks validate constraint tasks_owner;',
  },
  'validate-in-same-file': {
    severity: 'warning',
    existingOnly: true,
    why: 'The lock that ADD CONSTRAINT took is kept until the end of the transaction, so the validation blocks as if NOT VALID were not there.',
    remedy: 'Validate it in a file of its own after this one.',
    example: '-- next file\nalter table tasks validate constraint tasks_owner;',
  },
  'disallowed-unique-constraint': {
    severity: 'error',
    existingOnly: true,
    why: 'UNIQUE, PRIMARY KEY and EXCLUDE build their index under an ACCESS EXCLUSIVE lock.',
    remedy: 'Build a unique index CONCURRENTLY first, then add the constraint USING that INDEX.',
    example:
      '-- freehold: no-transaction\ncreate unique index concurrently tasks_code_key on tasks (code);\n-- next file\nalter table tasks add constraint tasks_code_key unique using index tasks_code_key;',
  },
  'changing-column-type': {
    severity: 'error',
    existingOnly: true,
    why: 'The table and its indexes are rewritten under an ACCESS EXCLUSIVE lock, and an older application may not expect the type.',
    remedy:
      'Add a new column, fill it in batches, let the application change over, and drop the old one in a contract file. Longer varchar and varchar to text rewrite nothing.',
    example: 'alter table tasks add column effort_minutes bigint;',
  },
  'rewrites-table': {
    severity: 'error',
    existingOnly: true,
    why: 'VACUUM FULL, CLUSTER, SET LOGGED, SET TABLESPACE and SET ACCESS METHOD rewrite the table under an ACCESS EXCLUSIVE lock.',
    remedy: 'Leave it to autovacuum; where a table must shrink, do it apart from migrations, in a maintenance window.',
    example: '-- freehold: no-transaction\nvacuum (analyze) tasks;',
  },
  'refresh-not-concurrent': {
    severity: 'warning',
    existingOnly: true,
    why: 'REFRESH MATERIALIZED VIEW keeps every reader of the view waiting until it is done.',
    remedy: 'Give the view a unique index and refresh it CONCURRENTLY.',
    example: 'refresh materialized view concurrently totals;',
  },
  'lock-table': {
    severity: 'error',
    existingOnly: true,
    why: 'LOCK TABLE keeps everybody waiting until the migration has ended.',
    remedy:
      'Leave it out: statements take the locks they need, and the migrator tries again where one is not to be had.',
    example: 'alter table tasks add column note text;',
  },
  'changes-lock-timeout': {
    severity: 'error',
    why: 'The migrator sets lock_timeout, so that a waiting ALTER never holds up a queue of readers for longer. Raised or reset, it does.',
    remedy: 'Leave lock_timeout alone, or lower it; --lock-timeout of the rollout is the place to choose it.',
    example: "set local lock_timeout = '500ms';",
  },
} as const satisfies Record<string, Rule>;
