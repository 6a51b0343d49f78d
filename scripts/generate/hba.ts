// Owns deploy/pg_hba.conf: the lines of tenant clusters for the network of compose.yaml.
import { tenantHba } from '../../control-plane/postgres/tenant-hba.ts';

/** The subnet that compose.yaml gives to the default network. */
const composeNetwork = '172.30.0.0/16';

export function composeHba(): string {
  return [
    '# Generated for the network of compose.yaml; do not edit.',
    "# The image's own scripts log in through the socket while the data folder is made.",
    'local all postgres scram-sha-256',
    tenantHba({ networks: [composeNetwork] }),
  ].join('\n');
}
