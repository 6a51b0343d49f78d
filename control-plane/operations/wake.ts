// Owns the one thing operations ask of the queue. It never throws: a lost nudge is found by the stuck-operations reconciler.
import type { OperationId } from '../../catalog/ids.ts';
import type { OperationLane } from '../../catalog/schema.ts';

export type Wake = (operationId: OperationId, lane: OperationLane, delayMs?: number) => Promise<void>;
