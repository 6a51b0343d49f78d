// Owns what the files before a statement have made of the schema, as far as rules ask: which tables and indexes are new, types of
// columns, checks that stand for NOT NULL. Known from the files alone; what a program or DO block makes is not seen.
import type { SqlStatement } from '../migration-files/parse-sql.ts';
import { child, items, type Node, nameOf, strings, tableOf, text } from './ast.ts';
import { type ColumnType, typeOf } from './column-type.ts';

export class SchemaSoFar {
  /** Table, view, index, type or function → the file that made it. */
  readonly #madeIn = new Map<string, number>();
  readonly #types = new Map<string, ColumnType>();
  /** CHECK (column IS NOT NULL): table.constraint → table.column. */
  readonly #checks = new Map<string, string>();
  /** table.column of checks that are validated. */
  readonly #notNull = new Set<string>();
  /** Constraints by name → where they were added. */
  readonly #added = new Map<string, number>();

  madeIn(name: string): number | undefined {
    return this.#madeIn.get(name);
  }

  typeOf(table: string, column: string): ColumnType | undefined {
    return this.#types.get(`${table}.${column}`);
  }

  /** PostgreSQL skips the reading of the table for such a column. */
  isKnownNotNull(table: string, column: string): boolean {
    return this.#notNull.has(`${table}.${column}`);
  }

  constraintAddedIn(table: string, constraint: string): number | undefined {
    return this.#added.get(`${table}.${constraint}`);
  }

  note({ kind, node }: SqlStatement, file: number): void {
    if (kind === 'CreateStmt') this.#noteTable(node, file);
    if (kind === 'CreateTableAsStmt') this.#madeIn.set(tableOf(child(child(node, 'into'), 'rel')), file);
    if (kind === 'SelectStmt' && 'intoClause' in node)
      this.#madeIn.set(tableOf(child(child(node, 'intoClause'), 'rel')), file);
    if (kind === 'ViewStmt') this.#madeIn.set(tableOf(child(node, 'view')), file);
    if (kind === 'IndexStmt') this.#noteIndex(node, file);
    if (kind === 'CreateFunctionStmt') this.#madeIn.set(nameOf(strings(node, 'funcname')), file);
    if (/^Create(?:Enum|Range)Stmt$|^CompositeTypeStmt$|^CreateDomainStmt$/.test(kind)) this.#noteType(node, file);
    if (kind === 'CreateSchemaStmt') this.#madeIn.set(text(node, 'schemaname'), file);
    if (kind === 'RenameStmt' && node.renameType === 'OBJECT_TABLE') this.#rename(node);
    if (kind === 'AlterTableStmt') {
      for (const command of items(node, 'cmds'))
        this.#noteCommand(tableOf(child(node, 'relation')), command.node, file);
    }
  }

  #noteTable(node: Node, file: number): void {
    const table = tableOf(child(node, 'relation'));
    if (node.if_not_exists !== true || !this.#madeIn.has(table)) this.#madeIn.set(table, file);
    for (const { kind, node: column } of items(node, 'tableElts')) {
      if (kind === 'ColumnDef') this.#noteColumn(table, column);
    }
  }

  #noteColumn(table: string, column: Node): void {
    this.#types.set(`${table}.${text(column, 'colname')}`, typeOf(child(column, 'typeName')));
  }

  /** An index is as new as its table: dropping it hurts nobody only while nobody uses the table. */
  #noteIndex(node: Node, file: number): void {
    const table = this.#madeIn.get(tableOf(child(node, 'relation')));
    if (text(node, 'idxname') !== '') this.#madeIn.set(text(node, 'idxname'), Math.min(table ?? -1, file));
  }

  #noteType(node: Node, file: number): void {
    const composite = child(node, 'typevar');
    const names = [...strings(node, 'typeName'), ...strings(node, 'domainname')];
    this.#madeIn.set(names.length > 0 ? nameOf(names) : tableOf(composite), file);
  }

  #rename(node: Node): void {
    const relation = child(node, 'relation');
    const file = this.#madeIn.get(tableOf(relation));
    if (file !== undefined) this.#madeIn.set(nameOf([text(relation, 'schemaname'), text(node, 'newname')]), file);
  }

  #noteCommand(table: string, command: Node, file: number): void {
    const definition = child(command, 'def');
    if (command.subtype === 'AT_AddColumn') this.#noteColumn(table, child(definition, 'ColumnDef'));
    if (command.subtype === 'AT_AlterColumnType') {
      const type = typeOf(child(child(definition, 'ColumnDef'), 'typeName'));
      this.#types.set(`${table}.${text(command, 'name')}`, type);
    }
    if (command.subtype === 'AT_AddConstraint') this.#noteConstraint(table, child(definition, 'Constraint'), file);
    const check = this.#checks.get(`${table}.${text(command, 'name')}`);
    if (check !== undefined && command.subtype === 'AT_ValidateConstraint') this.#notNull.add(check);
    if (check !== undefined && command.subtype === 'AT_DropConstraint') this.#notNull.delete(check);
  }

  #noteConstraint(table: string, constraint: Node, file: number): void {
    const key = `${table}.${text(constraint, 'conname')}`;
    this.#added.set(key, file);
    const column = columnNotNull(constraint);
    if (column === undefined) return;
    this.#checks.set(key, `${table}.${column}`);
    if (constraint.skip_validation !== true) this.#notNull.add(`${table}.${column}`);
  }
}

/** CHECK (column IS NOT NULL), or PostgreSQL 18's NOT NULL column. */
function columnNotNull(constraint: Node): string | undefined {
  if (constraint.contype === 'CONSTR_NOTNULL') return strings(constraint, 'keys')[0];
  if (constraint.contype !== 'CONSTR_CHECK') return undefined;
  const test = child(child(constraint, 'raw_expr'), 'NullTest');
  if (test.nulltesttype !== 'IS_NOT_NULL') return undefined;
  return strings(child(child(test, 'arg'), 'ColumnRef'), 'fields').at(-1);
}
