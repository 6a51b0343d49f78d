// Owns the rules about who may import whom, as data: the text of ARCHITECTURE.md in a form that can be checked.
// An import breaks a rule when `from` matches the importing file and `forbidden` holds for what it imports.
import type { Import } from './source-files.ts';

export type Arrow = {
  /** Said when it is broken. */
  rule: string;
  from: RegExp;
  forbidden: (target: string, what: Import, from: string) => boolean;
};

const within = (...places: string[]) => {
  return (file: string) => places.some((place) => (place.endsWith('/') ? file.startsWith(place) : file === place));
};
const sameRoom = (target: string, from: string) => roomOf(target) === roomOf(from);

/** What each room of control-plane may import of control-plane, besides itself. main.ts may import everything. */
const controlPlaneRooms: Record<string, (target: string) => boolean> = {
  'migration-files': () => false,
  'migration-lint': within('control-plane/migration-files/'),
  postgres: within('control-plane/migration-files/'),
  operations: within('control-plane/postgres/', 'control-plane/migration-files/'),
  rollouts: within(
    'control-plane/operations/',
    'control-plane/postgres/',
    'control-plane/migration-files/',
    'control-plane/migration-lint/',
  ),
  fsck: within('control-plane/postgres/', 'control-plane/operations/', 'control-plane/migration-files/'),
  queue: within('control-plane/operations/', 'control-plane/rollouts/'),
  reconcilers: within(
    'control-plane/operations/',
    'control-plane/postgres/',
    'control-plane/fsck/',
    'control-plane/rollouts/',
  ),
  api: (target) =>
    within(
      'control-plane/operations/start/',
      'control-plane/fsck/',
      'control-plane/rollouts/start/',
      'control-plane/rollouts/look/',
      'control-plane/migration-lint/',
    )(target) ||
    /^control-plane\/operations\/(registry|operation-kinds)\.ts$/.test(target) ||
    /^control-plane\/migration-files\/migration-file\.ts$/.test(target),
  client: (target) => /^control-plane\/(api|client)\//.test(target),
  attack: within('control-plane/client.ts'),
  cli: within(
    'control-plane/client.ts',
    'control-plane/attack/',
    'control-plane/migration-files/',
    'control-plane/migration-lint/',
  ),
};

export const arrows: Arrow[] = [
  { rule: 'nobody imports scripts/', from: /^(?!scripts\/|test\/)/, forbidden: within('scripts/') },
  {
    rule: 'an example stands outside: it takes the library by its public name, and nobody but tests takes it',
    from: /^(?!test\/)/,
    forbidden: (target, _, from) => target.startsWith('examples/') !== from.startsWith('examples/'),
  },
  { rule: 'only tests import test/', from: /^(?!test\/|vitest\.config\.ts)/, forbidden: within('test/') },
  {
    rule: 'platform knows nothing of tenants: it imports nothing of ours',
    from: /^platform\//,
    forbidden: (target) => !target.startsWith('platform/'),
  },
  {
    rule: 'catalog imports platform only',
    from: /^catalog\//,
    forbidden: (target) => !within('catalog/', 'platform/')(target),
  },
  { rule: 'migrations import nothing', from: /^migrations\//, forbidden: () => true },
  {
    rule: 'control-plane never imports tenant-runtime',
    from: /^control-plane\//,
    forbidden: within('tenant-runtime/'),
  },
  {
    rule: 'tenant-runtime never imports control-plane',
    from: /^tenant-runtime\//,
    forbidden: within('control-plane/'),
  },
  {
    rule: 'cli takes only types and pure words from catalog: data comes through client.ts',
    from: /^control-plane\/(cli\/|client\.ts|client\/)/,
    forbidden: (target, what) =>
      target.startsWith('catalog/') &&
      !what.typeOnly &&
      !/^catalog\/(ids|slug|names|claims|access-roles|api-key-text)\.ts$/.test(target),
  },
  {
    rule: 'control-plane: main → (api | queue | reconcilers | cli) → fsck → rollouts → operations → postgres → migration-files; api takes only what starts and what looks',
    from: /^control-plane\/[^/]+\//,
    forbidden: (target, _, from) =>
      target.startsWith('control-plane/') && !sameRoom(target, from) && !allowedAcross(from, target),
  },
  {
    rule: 'only control-plane/postgres opens administrative connections: other rooms are handed pools by main.ts',
    from: /^control-plane\/(?!postgres\/)[^/]+\//,
    forbidden: (target, what) => !what.typeOnly && /^platform\/postgres\/(session|session-pool)\.ts$/.test(target),
  },
  {
    rule: 'client.ts and client/ stand at the door: they import nothing else of control-plane but types',
    from: /^control-plane\/(client\.ts$|client\/)/,
    forbidden: (target, what) =>
      target.startsWith('control-plane/') && !target.startsWith('control-plane/client/') && !what.typeOnly,
  },
];

/** Packages and files with which a connection is opened. Sessions in platform/ are handed down by main.ts and rooms below. */
export const connectionOpeners = {
  rule: 'only platform/postgres, control-plane/postgres, the queue and the catalog’s migrator speak to PostgreSQL by themselves',
  packages: /^(pg|postgres|node-pg-migrate)$/,
  allowed: within(
    'platform/postgres/',
    'control-plane/postgres/',
    'control-plane/migration-files/',
    'control-plane/queue/',
    'catalog/migrate.ts',
    'scripts/',
    'test/',
  ),
};

function allowedAcross(from: string, target: string): boolean {
  const room = from.split('/')[1] as string;
  const rule = controlPlaneRooms[room];
  // A room this table does not know must be written into it: nothing is allowed by accident.
  return rule?.(target) ?? false;
}

function roomOf(file: string): string {
  return file.split('/').slice(0, 2).join('/');
}
