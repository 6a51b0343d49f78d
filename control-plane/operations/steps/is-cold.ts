// Owns which steps a claimed warm database does not need.
import type { OperationFacts } from '../operation-definition.ts';

export function isCold(facts: OperationFacts): boolean {
  return facts.warm !== true;
}
