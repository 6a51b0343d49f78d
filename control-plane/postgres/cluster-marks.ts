// Owns how a database or role on a cluster is known to be ours. The mark is public (a COMMENT); the proof is a MAC under
// the sealing key, and the mark holds only its SHA-256. Whoever can read the mark can neither make another nor act on the
// object: the functions in the cluster ask for the proof. So a stolen provisioner password reaches no existing tenant.
import { createHash } from 'node:crypto';
import type { DatabaseId } from '../../catalog/ids.ts';

export type MarkSealer = {
  /** Under every known key, the current one first: marks outlive a rotation of the sealing key. */
  macs(purpose: string, text: string): string[];
};

export type MarkState = 'ours' | 'foreign' | 'none';

export type ClusterMarks = {
  /** What the cluster's functions ask for; the first is under the current key. Secret. */
  proofs(id: DatabaseId): string[];
  read(id: DatabaseId, comment: string | null): MarkState;
};

export function createClusterMarks(sealer: MarkSealer): ClusterMarks {
  const proofs = (id: DatabaseId) => sealer.macs(purpose, id);
  return {
    proofs,
    read(id, comment) {
      if (comment === null) return 'none';
      return proofs(id).some((proof) => markOf(id, proof) === comment) ? 'ours' : 'foreign';
    },
  };
}

/** `freehold:<database id>:<hex of SHA-256 of the proof>`; freehold.mark_of in the cluster writes the same. */
export function markOf(id: DatabaseId, proof: string): string {
  return `freehold:${id}:${createHash('sha256').update(proof).digest('hex')}`;
}

const purpose = 'cluster-mark';
