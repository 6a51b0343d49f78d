// Owns the secrets of the embedded set-up: made once, kept in the data folder with mode 0600, never printed but the owner key.
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { newApiKeyText } from '../../catalog/api-key-text.ts';

export type DevSecrets = {
  superuserPassword: string;
  runtimePassword: string;
  /** FREEHOLD_SEALING_KEYS. */
  sealingKeys: string;
  ownerKey: string;
};

export function devSecrets(dataDir: string): DevSecrets {
  const file = path.join(dataDir, 'secrets.json');
  if (fs.existsSync(file)) return JSON.parse(fs.readFileSync(file, 'utf8')) as DevSecrets;
  const secrets: DevSecrets = {
    superuserPassword: randomBytes(24).toString('base64url'),
    runtimePassword: randomBytes(24).toString('base64url'),
    sealingKeys: `dev1:${randomBytes(32).toString('base64')}`,
    ownerKey: newApiKeyText().text,
  };
  // Written beside and renamed, so that a crash never leaves half a file that locks the data folder for good.
  fs.writeFileSync(`${file}.new`, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
  fs.renameSync(`${file}.new`, file);
  return secrets;
}
