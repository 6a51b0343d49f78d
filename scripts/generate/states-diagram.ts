// Owns the picture of tenant states in catalog/README.md: a Mermaid diagram from the table of moves.
import { allMoves } from '../../catalog/tenant-states.ts';

export function statesDiagram(): string {
  const arrows = allMoves().map(({ from, move, to }) => `  ${from} --> ${to}: ${move}`);
  return ['```mermaid', 'stateDiagram-v2', '  [*] --> provisioning', ...arrows, '  purged --> [*]', '```'].join('\n');
}
