// Owns how tables are related by their foreign keys, and which relationship a request means: by the name of the other table, of
// a constraint or of a column, with a hint where that is not enough. Views have none: a foreign key belongs to a table.
import { RestError } from './rest-error.ts';
import type { ForeignKey, Relationship, Table, TenantSchema } from './tenant-schema.ts';

export function relationshipsOf(
  tables: ReadonlyMap<string, Table>,
  keys: readonly ForeignKey[],
): readonly Relationship[] {
  const found: Relationship[] = [];
  for (const key of keys) {
    const table = tables.get(key.table);
    if (table === undefined || !tables.has(key.foreignTable)) continue;
    const one = table.uniques.some((unique) => sameColumns(unique, key.columns));
    const { name: constraint, table: from, foreignTable: to, columns: fromColumns, foreignColumns: toColumns } = key;
    found.push({ kind: one ? 'one-to-one' : 'many-to-one', from, to, fromColumns, toColumns, constraint });
    found.push({
      kind: one ? 'one-to-one' : 'one-to-many',
      from: to,
      to: from,
      fromColumns: toColumns,
      toColumns: fromColumns,
      constraint,
    });
  }
  for (const a of keys) {
    for (const b of keys) {
      const junction = tables.get(a.table);
      if (a === b || a.table !== b.table || junction === undefined) continue;
      // As PostgREST has it: both foreign keys are parts of the primary key.
      const inKey = [...a.columns, ...b.columns].every((column) => junction.primaryKey.includes(column));
      if (!inKey || !tables.has(a.foreignTable) || !tables.has(b.foreignTable)) continue;
      found.push({
        kind: 'many-to-many',
        from: a.foreignTable,
        to: b.foreignTable,
        fromColumns: a.foreignColumns,
        toColumns: b.foreignColumns,
        constraint: a.name,
        junction: { table: junction.name, fromColumns: a.columns, toColumns: b.columns, constraint: b.name },
      });
    }
  }
  return found;
}

function sameColumns(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((column) => b.includes(column));
}

/** @throws RestError PGRST200, PGRST201 */
export function findRelationship(
  schema: TenantSchema,
  from: string,
  target: string,
  hint: string | undefined,
): Relationship {
  const ofOrigin = schema.relationships.filter((each) => each.from === from);
  const found = ofOrigin.filter((each) =>
    hint === undefined ? isNamed(each, target) : each.to === target && isHinted(each, hint),
  );
  if (found.length === 1) return found[0] as Relationship;
  if (found.length === 0) {
    throw new RestError(
      'PGRST200',
      `Could not find a relationship between '${from}' and '${target}' in the schema cache`,
      {
        details: `Searched for a foreign key relationship between '${from}' and '${target}'${hint === undefined ? '' : ` using the hint '${hint}'`} in the schema 'public', but no matches were found.`,
      },
    );
  }
  throw new RestError(
    'PGRST201',
    `Could not embed because more than one relationship was found for '${from}' and '${target}'`,
    {
      details: found.map((each) => ({
        cardinality: each.kind,
        embedding: `${each.from} with ${each.to}`,
        relationship: described(each),
      })),
      hint: `Try changing '${target}' to one of the following: ${[...new Set(found.map((each) => `'${each.to}!${each.junction?.table ?? each.constraint}'`))].join(', ')}. Find the desired relationship in the 'details' key.`,
    },
  );
}

function isNamed(each: Relationship, target: string): boolean {
  if (each.to === target) return true;
  if (each.junction !== undefined) return false;
  return each.constraint === target || (each.kind === 'many-to-one' && isColumn(each.fromColumns, target));
}

function isHinted(each: Relationship, hint: string): boolean {
  if (each.constraint === hint || each.junction?.constraint === hint || each.junction?.table === hint) return true;
  return each.junction === undefined && (isColumn(each.fromColumns, hint) || isColumn(each.toColumns, hint));
}

function isColumn(columns: readonly string[], name: string): boolean {
  return columns.length === 1 && columns[0] === name;
}

function described({ from, to, fromColumns, toColumns, constraint, junction }: Relationship): string {
  const [a, b] = [`${from}(${fromColumns.join(', ')})`, `${to}(${toColumns.join(', ')})`];
  return junction === undefined
    ? `${constraint} using ${a} and ${b}`
    : `${junction.table} using ${constraint}(${junction.fromColumns.join(', ')}) and ${junction.constraint}(${junction.toColumns.join(', ')})`;
}
