// Owns removing a database that nobody uses: a given-up creation, an orphan, a spoiled warm one. Stops for a person where the
// database is not what the catalog believes; what is only unreachable is tried again for ever.
import type { OperationDefinition } from './operation-definition.ts';
import { checkIdentity } from './steps/check-identity.ts';
import { dropFromCluster, dropRoles, forget } from './steps/drop-everything.ts';
import { fenceDatabase } from './steps/fence-database.ts';

export const dropDatabase: OperationDefinition = {
  kind: 'drop-database',
  lane: 'background',
  onFailure: 'stop',
  steps: [checkIdentity, fenceDatabase, dropFromCluster, dropRoles, forget],
};
