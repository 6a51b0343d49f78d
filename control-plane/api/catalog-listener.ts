// Owns what this process does with the notifications of the catalog: operations and rollouts that moved, tenants that
// a runtime was asked for before their wave, keys that changed.
import type { RolloutId } from '../../catalog/ids.ts';
import type { SigningKeys } from '../../catalog/signing-keys.ts';
import type { ApiKeyDoor } from './api-key-door.ts';
import type { Changes } from './changes.ts';

export const catalogChannels = ['freehold_operations', 'freehold_rollouts', 'freehold_keys'] as const;

/** The two hooks of platform/postgres/listener.ts; main.ts makes the listener, for only it opens connections. */
export function catalogListenerHooks(deps: {
  changes: Changes;
  apiKeys: ApiKeyDoor;
  signingKeys: SigningKeys;
  /** For a tenant that was asked for: one share is enough, and where one runs it sees the wish by itself. */
  wakeFleet: (id: RolloutId, shares: number) => Promise<void>;
}) {
  const { changes, apiKeys, signingKeys, wakeFleet } = deps;
  const forgetKeys = () => {
    apiKeys.forget();
    signingKeys.forget();
  };
  return {
    channels: catalogChannels,
    onNotify(channel: string, payload: string): void {
      if (channel === 'freehold_keys') forgetKeys();
      else changes.notify(payload);
      const [id, what] = payload.split(':');
      if (channel === 'freehold_rollouts' && what === 'requested') void wakeFleet(id as RolloutId, 1);
    },
    onGap(): void {
      forgetKeys();
      changes.gap();
    },
  };
}
