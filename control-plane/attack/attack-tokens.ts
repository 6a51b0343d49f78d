// Owns the attack with forged tokens: each at each door. Held means 401 and nothing of a tenant in the answer.
import type { JWK } from 'jose';
import type { Attack, Attempt } from './attack.ts';
import { doorsOf, knockAt } from './doors.ts';
import { forgeTokens } from './forged-tokens.ts';
import { bearer, told } from './knock.ts';

export const attackTokens: Attack = async function* ({ client, runtimeUrl, attacker, victim, apiKey }) {
  const doors = await doorsOf(runtimeUrl);
  const { keys } = await client.signingKeys.jwks();
  const forged = await forgeTokens(attacker.token, victim.tenantId, keys as JWK[]);
  const all = [...forged, { case: 'J08', what: 'a key of the admin API', token: apiKey }];
  for (const { case: id, what, token } of all) {
    const answers = await Promise.all(doors.map((door) => knockAt(runtimeUrl, door, [bearer(token)])));
    // 431: longer than Node takes for all headers of a request. Both are no.
    const through = answers.findIndex(
      ({ status, text }) => (status !== 401 && status !== 431) || names(text, [attacker, victim]),
    );
    const shown = answers[Math.max(0, through)];
    const attempt: Omit<Attempt, 'verdict'> = {
      case: id,
      group: 'tokens',
      what: `${what}, at ${through < 0 ? `${doors.length} doors` : doors[through]?.name}`,
      expected: '401',
      got: shown === undefined ? 'no door asks for a token' : told(shown),
    };
    yield { ...attempt, verdict: shown === undefined || through >= 0 ? 'broken' : 'held' };
  }
};

function names(text: string, parties: readonly { tenantId: string }[]): boolean {
  return parties.some(({ tenantId }) => text.includes(tenantId));
}
