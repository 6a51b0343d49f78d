// Owns the whole attack on an installation, in order: what only asks comes first, what suspends a tenant comes last.
import type { Attack, AttackGroup, Attempt, Field } from './attack.ts';
import { attackApis } from './attack-apis.ts';
import { attackConfusion } from './attack-confusion.ts';
import { attackDatabase } from './attack-database.ts';
import { attackFlood } from './attack-flood.ts';
import { attackReplay } from './attack-replay.ts';
import { attackTokens } from './attack-tokens.ts';

export const attackGroups: Readonly<Record<AttackGroup, Attack>> = {
  tokens: attackTokens,
  confusion: attackConfusion,
  database: attackDatabase,
  apis: attackApis,
  flood: attackFlood,
  replay: attackReplay,
};

/** One attempt after the other, as they come. */
export async function* runAttacks(field: Field, groups: readonly AttackGroup[]): AsyncGenerator<Attempt> {
  for (const [name, attack] of Object.entries(attackGroups))
    if (groups.includes(name as AttackGroup)) yield* attack(field);
}
