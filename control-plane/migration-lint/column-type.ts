// Owns the question whether a change of type leaves the table as it is: the few changes for which PostgreSQL rewrites nothing.
import { constantOf, items, type Node, strings } from './ast.ts';

export type ColumnType = { name: string; modifiers: number[]; isArray: boolean };

export function typeOf(typeName: Node): ColumnType {
  const name = strings(typeName, 'names').at(-1) ?? '';
  const modifiers = items(typeName, 'typmods').map(({ kind, node }) => Number(constantOf({ [kind]: node })));
  return { name, modifiers, isArray: items(typeName, 'arrayBounds').length > 0 };
}

export function rewritesNothing(from: ColumnType, to: ColumnType): boolean {
  if (from.isArray || to.isArray) return false;
  const text = (type: ColumnType) => type.name === 'text' || (type.name === 'varchar' && type.modifiers.length === 0);
  if (text(to)) return from.name === 'varchar' || from.name === 'text';
  if (from.name !== to.name) return false;
  const [size, scale] = from.modifiers;
  const [newSize, newScale] = to.modifiers;
  if (to.name === 'varchar' || to.name === 'varbit') return grows(size, newSize);
  if (to.name === 'numeric') return newSize === undefined || (grows(size, newSize) && (scale ?? 0) === (newScale ?? 0));
  return /^(?:timestamp|timestamptz|time|timetz|interval)$/.test(to.name) && grows(size, newSize);
}

/** Undefined is the widest. */
function grows(before: number | undefined, after: number | undefined): boolean {
  return after === undefined || (before !== undefined && after >= before);
}
