// Owns control-plane/api/ACCESS.md: which role may call which route, from the rules beside the routes.
import { adminRoles, roleMeanings } from '../../catalog/roles.ts';
import type { AccessRow } from '../../control-plane/api/access.ts';

export function accessPage(rows: readonly AccessRow[]): string {
  const cells = (row: AccessRow) =>
    adminRoles.map((role) => (row.roles === 'public' ? 'public' : row.roles.includes(role) ? 'yes' : '·')).join(' | ');
  return [
    '# Access',
    '',
    'Which role may call which route. Generated from the routes; a route without a rule stops the start of the API.',
    '',
    ...adminRoles.map((role) => `- **${role}** ${roleMeanings[role]}`),
    '',
    `| route | ${adminRoles.join(' | ')} |`,
    `|---|${'---|'.repeat(adminRoles.length)}`,
    ...rows.map((row) => `| \`${row.method} ${row.path}\` | ${cells(row)} |`),
    '',
  ].join('\n');
}
