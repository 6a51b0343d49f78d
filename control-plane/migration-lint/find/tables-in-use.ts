// Owns finding, outside of ALTER TABLE, what locks, empties or takes away something that an application is using.
import type { SqlStatement } from '../../migration-files/parse-sql.ts';
import { child, items, type Node, nameOf, nodesOf, strings, tableOf, text } from '../ast.ts';
import type { RuleId } from '../rules.ts';
import type { Found, Look } from './look.ts';

export function findOnTablesInUse(look: Look): Found[] {
  const { kind, node } = look.statement;
  switch (kind) {
    case 'IndexStmt':
      return inIndex(look, node);
    case 'UpdateStmt':
    case 'DeleteStmt':
    case 'SelectStmt':
    case 'InsertStmt':
      return inEveryRow(look, kind, node);
    case 'TruncateStmt':
      return onTables(look, 'ban-truncate', tablesOf(node, 'relations'), (table) => `${table} is truncated.`);
    case 'LockStmt':
      return onTables(look, 'lock-table', tablesOf(node, 'relations'), (table) => `${table} is locked.`);
    case 'ClusterStmt':
      return onTables(
        look,
        'rewrites-table',
        [tableOf(child(node, 'relation'))],
        (table) => `CLUSTER rewrites ${table}.`,
      );
    case 'VacuumStmt':
      return inVacuum(look, node);
    case 'RefreshMatViewStmt':
      return node.concurrent === true
        ? []
        : onTables(
            look,
            'refresh-not-concurrent',
            [tableOf(child(node, 'relation'))],
            (view) => `${view} is refreshed.`,
          );
    case 'RenameStmt':
      return inRename(look, node);
    case 'AlterObjectSchemaStmt':
      return inSchemaChange(look, node);
    case 'AlterEnumStmt':
      return inEnum(look, node);
    case 'DropStmt':
      return inDrop(look, node);
    default:
      return [];
  }
}

function inIndex(look: Look, node: Node): Found[] {
  const table = tableOf(child(node, 'relation'));
  if (node.concurrent === true || look.isNew(table)) return [];
  const name = text(node, 'idxname') || 'An index';
  return [{ rule: 'require-concurrent-index-creation', message: `${name} is built on ${table} without CONCURRENTLY.` }];
}

/** Also in a WITH before it. */
function inEveryRow(look: Look, kind: string, node: Node): Found[] {
  const wrapped = { [kind]: node };
  return (['UpdateStmt', 'DeleteStmt'] as const).flatMap((change) =>
    nodesOf(change, wrapped)
      .filter((each) => !('whereClause' in each))
      .map((each) => tableOf(child(each, 'relation')))
      .filter((table) => !look.isNew(table))
      .map((table) => ({
        rule: 'every-row' as const,
        message: `${change === 'UpdateStmt' ? 'UPDATE' : 'DELETE'} of every row of ${table}.`,
      })),
  );
}

function inVacuum(look: Look, node: Node): Found[] {
  const isFull = items(node, 'options').some((option) => option.node.defname === 'full');
  if (!isFull) return [];
  const tables = items(node, 'rels').map((relation) => tableOf(child(relation.node, 'relation')));
  if (tables.length === 0) return [{ rule: 'rewrites-table', message: 'VACUUM FULL rewrites every table.' }];
  return onTables(look, 'rewrites-table', tables, (table) => `VACUUM FULL rewrites ${table}.`);
}

/** What an application names: tables, views, columns, functions, types. Indexes and constraints it does not. */
const named =
  /^OBJECT_(?:TABLE|VIEW|MATVIEW|FOREIGN_TABLE|COLUMN|ATTRIBUTE|FUNCTION|PROCEDURE|ROUTINE|TYPE|DOMAIN|SCHEMA|SEQUENCE|EXTENSION)$/;

function inRename(look: Look, node: Node): Found[] {
  if (look.isContract || !named.test(text(node, 'renameType'))) return [];
  const relation = child(node, 'relation');
  const table = 'relname' in relation ? tableOf(relation) : objectName(child(node, 'object'));
  if (look.isNew(table)) return [];
  const what = 'subname' in node ? `${table}.${text(node, 'subname')}` : table;
  return [{ rule: 'renaming', message: `${what} is renamed to ${text(node, 'newname')}.` }];
}

function inSchemaChange(look: Look, node: Node): Found[] {
  const relation = child(node, 'relation');
  const name = 'relname' in relation ? tableOf(relation) : objectName(child(node, 'object'));
  if (look.isContract || !named.test(text(node, 'objectType')) || look.isNew(name)) return [];
  return [{ rule: 'renaming', message: `${name} moves to the schema ${text(node, 'newschema')}.` }];
}

function inEnum(look: Look, node: Node): Found[] {
  const name = nameOf(strings(node, 'typeName'));
  if (look.isContract || text(node, 'oldVal') === '' || look.isNew(name)) return [];
  return [
    {
      rule: 'renaming',
      message: `The value ${text(node, 'oldVal')} of ${name} is renamed to ${text(node, 'newVal')}.`,
    },
  ];
}

function inDrop(look: Look, node: Node): Found[] {
  if (look.isContract || !named.test(text(node, 'removeType'))) return [];
  const names = items(node, 'objects').map(({ kind, node: object }) => objectName({ [kind]: object }));
  return names
    .filter((name) => !look.isNew(name) && !isMadeAgain(look, name))
    .map((name) => ({ rule: 'ban-drop-table', message: `${name} is dropped.` }));
}

/** DROP and CREATE of a view or function in one file replace it: nobody meets the moment between. */
function isMadeAgain({ index, madeHere }: Look, name: string): boolean {
  return (madeHere.get(name) ?? -1) > index;
}

/** What a DROP before it may replace. */
export function madeBy({ kind, node }: SqlStatement): string | undefined {
  if (kind === 'ViewStmt') return tableOf(child(node, 'view'));
  if (kind === 'CreateTableAsStmt') return tableOf(child(child(node, 'into'), 'rel'));
  return kind === 'CreateFunctionStmt' ? nameOf(strings(node, 'funcname')) : undefined;
}

/** `{ Kind: {…} }` of any kind that DROP and RENAME take. */
function objectName(wrapped: Node): string {
  const [kind, node] = (Object.entries(wrapped)[0] ?? ['', {}]) as [string, Node];
  if (kind === 'ObjectWithArgs') return nameOf(strings(node, 'objname'));
  if (kind === 'TypeName') return nameOf(strings(node, 'names'));
  return kind === 'String' ? text(node, 'sval') : nameOf(strings(node, 'items'));
}

function tablesOf(node: Node, name: string): string[] {
  return items(node, name).map((relation) => tableOf(relation.node));
}

function onTables(look: Look, rule: RuleId, tables: readonly string[], say: (table: string) => string): Found[] {
  return tables.filter((table) => !look.isNew(table)).map((table) => ({ rule, message: say(table) }));
}
