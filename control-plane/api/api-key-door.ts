// Owns believing an API key: in memory for at most 30 s, else by the catalog. Only a key that is right in every character is
// ever remembered, under a hash of the whole text, so a wrong secret with a known id costs what an unknown id costs (A04).
// A revoked key is refused at once in this process, in others at NOTIFY freehold_keys, and after 30 s at the latest everywhere.
import { createHash } from 'node:crypto';
import { type ApiKeyRow, isLive, touchApiKey, verifyApiKey } from '../../catalog/api-keys.ts';
import { catalogFault } from '../../catalog/errors.ts';
import type { CatalogDb } from '../../catalog/open-catalog.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { Sealer } from '../../platform/sealing.ts';

export interface ApiKeyDoor {
  /** @throws Fault api_key_invalid, the same for every reason */
  admit(keyText: string): Promise<ApiKeyRow>;
  /** To be called after a revocation, at NOTIFY freehold_keys, and when notifications may have been missed. */
  forget(): void;
}

const rememberedMsMax = 30_000;
/** People and programs with a key are few; the bound only guards the memory. */
const rememberedMax = 1_000;

export function createApiKeyDoor(deps: { db: CatalogDb; sealer: Sealer; clock: Clock; log: Log }): ApiKeyDoor {
  const { db, sealer, clock, log } = deps;
  const remembered = new Map<string, { row: ApiKeyRow; untilMs: number }>();
  // A look-up that began before a revocation must not be remembered after it.
  let epoch = 0;

  return {
    async admit(keyText) {
      const digest = createHash('sha256').update(keyText).digest('base64');
      const known = remembered.get(digest);
      if (known !== undefined && known.untilMs > clock.monotonicMs() && isLive(known.row, clock.now()))
        return known.row;
      remembered.delete(digest);
      const startedIn = epoch;
      const row = await verifyApiKey(db, sealer, keyText, clock.now());
      if (row === undefined) {
        throw catalogFault(
          'api_key_invalid',
          'This API key is not valid: it is unknown, malformed, expired or revoked.',
        );
      }
      if (startedIn === epoch) {
        if (remembered.size >= rememberedMax) remembered.clear();
        remembered.set(digest, { row, untilMs: clock.monotonicMs() + rememberedMsMax });
      }
      // Noted at most once a minute, and never waited for: a request does not fail because of it.
      touchApiKey(db, row.id).catch((error: unknown) => log.warn({ err: error }, 'last use of an API key not noted'));
      return row;
    },
    forget() {
      epoch++;
      remembered.clear();
    },
  };
}
