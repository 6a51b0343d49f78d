// Owns what this process does with the notifications of the catalog: operations that moved, keys that changed.
import type { SigningKeys } from '../../catalog/signing-keys.ts';
import type { ApiKeyDoor } from './api-key-door.ts';
import type { OperationChanges } from './operation-changes.ts';

export const catalogChannels = ['freehold_operations', 'freehold_keys'] as const;

/** The two hooks of platform/postgres/listener.ts; main.ts makes the listener, for only it opens connections. */
export function catalogListenerHooks(deps: {
  operationChanges: OperationChanges;
  apiKeys: ApiKeyDoor;
  signingKeys: SigningKeys;
}) {
  const { operationChanges, apiKeys, signingKeys } = deps;
  const forgetKeys = () => {
    apiKeys.forget();
    signingKeys.forget();
  };
  return {
    channels: catalogChannels,
    onNotify(channel: string, payload: string): void {
      if (channel === 'freehold_operations') operationChanges.notify(payload);
      else forgetKeys();
    },
    onGap(): void {
      forgetKeys();
      operationChanges.gap();
    },
  };
}
