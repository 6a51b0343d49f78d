import type { MigrationBuilder } from 'node-pg-migrate';

export async function up(pgm: MigrationBuilder): Promise<void> {
  await Promise.resolve();
  pgm.createTable(
    'people',
    {
      id: 'key',
      email: { type: 'varchar(200)', notNull: true, unique: true, comment: 'where to write' },
      mood: { type: 'mood', default: 'calm' },
      share: { type: 'percent', default: 0 },
      made_at: { type: 'stamp', default: pgm.func('current_timestamp') },
      tags: { type: 'text[]', notNull: true, default: pgm.func("'{}'") },
      shout: { type: 'text', expressionGenerated: 'upper(email)' },
    },
    { comment: 'a table with everything' },
  );
  pgm.createTable('orders', {
    id: 'key',
    person_id: { type: 'bigint', notNull: true, references: '"people"', onDelete: 'CASCADE', deferrable: true },
    amount: { type: 'numeric(12,2)', notNull: true, check: 'amount >= 0' },
    data: { type: 'jsonb' },
  });
  pgm.createTable('old_people', { note: 'text' }, { inherits: 'people' });
  pgm.createTable('likeness', { extra: 'integer' }, { like: { table: 'orders', options: { including: 'DEFAULTS' } } });
}

export function down(pgm: MigrationBuilder): void {
  for (const table of ['likeness', 'old_people', 'orders', 'people']) pgm.dropTable(table);
}
