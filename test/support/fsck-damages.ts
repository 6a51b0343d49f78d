// Owns one damage, and its repair, for every code of fsck's table: a code without one does not compile.
import type { FindingCode } from '../../control-plane/fsck/findings.ts';
import { damagesToCatalog } from './fsck-damages/catalog.ts';
import { damagesToClusters } from './fsck-damages/clusters.ts';
import type { Damage } from './fsck-damages/damage.ts';
import { damagesToDatabases } from './fsck-damages/databases.ts';
import { damagesToInside } from './fsck-damages/inside.ts';
import { damagesToRoles } from './fsck-damages/roles.ts';
import type { FsckHouse } from './fsck-house.ts';

export const damages: Readonly<Record<FindingCode, (house: FsckHouse) => Damage>> = {
  ...damagesToClusters,
  ...damagesToDatabases,
  ...damagesToRoles,
  ...damagesToInside,
  ...damagesToCatalog,
};
