// Owns everything fsck can find, as a table: severity, what it may come from, what to do. A code that is not here does not
// compile, and one that no test seeds fails the test (test/faults/fsck.test.ts).
import type { FindingSpec } from './finding-spec.ts';
import { findingsInCatalog } from './findings-in-catalog.ts';
import { findingsInside } from './findings-inside.ts';
import { findingsOnClusters } from './findings-on-clusters.ts';

export const findingSpecs = { ...findingsOnClusters, ...findingsInside, ...findingsInCatalog };

export type FindingCode = keyof typeof findingSpecs;

export function findingSpec(code: FindingCode): FindingSpec {
  return findingSpecs[code];
}
