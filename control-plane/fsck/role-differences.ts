// Owns the comparison of a role's attributes with what Freehold gives: nothing that reaches beyond a database.
import type { InventoryRole } from '../postgres/cluster-inventory.ts';

export type ExpectedAttributes = { login: boolean; createDatabase: boolean; inherit: boolean };

export function roleDifferences(role: InventoryRole, expected: ExpectedAttributes): string[] {
  const differs = (has: boolean, should: boolean, word: string) => (has === should ? [] : [has ? word : `no${word}`]);
  return [
    ...differs(role.superuser, false, 'superuser'),
    ...differs(role.createRole, false, 'createrole'),
    ...differs(role.createDatabase, expected.createDatabase, 'createdb'),
    ...differs(role.replication, false, 'replication'),
    ...differs(role.bypassRls, false, 'bypassrls'),
    ...differs(role.login, expected.login, 'login'),
    ...differs(role.inherit, expected.inherit, 'inherit'),
    ...(role.validUntil === null ? [] : [`valid until ${role.validUntil}`]),
  ];
}
