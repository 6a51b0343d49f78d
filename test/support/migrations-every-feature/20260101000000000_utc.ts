import type { MigrationBuilder } from 'node-pg-migrate';

const level = { low: 'low' } as const;

export const up = (pgm: MigrationBuilder): void => {
  pgm.addColumn('plain', { level: { type: 'text', notNull: true, default: level.low } });
  pgm.alterDomain('percent', { default: 5 });
  pgm.grantOnTables({ privileges: 'SELECT', tables: ['plain'], roles: 'PUBLIC' });
};
