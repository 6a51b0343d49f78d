// Owns finding in ALTER TABLE what reads or rewrites a table that is in use while it is locked, or takes a column away.
import { child, items, locationOf, type Node, nodesOf, strings, tableOf, text } from '../ast.ts';
import { rewritesNothing, typeOf } from '../column-type.ts';
import type { Found, Look } from './look.ts';

export function findInAlterTable(look: Look): Found[] {
  const { kind, node } = look.statement;
  if (kind !== 'AlterTableStmt' || (node.objtype !== 'OBJECT_TABLE' && node.objtype !== 'OBJECT_MATVIEW')) return [];
  const table = tableOf(child(node, 'relation'));
  if (look.isNew(table)) return [];
  return items(node, 'cmds').flatMap(({ node: command }) => inCommand(look, table, command));
}

function inCommand(look: Look, table: string, command: Node): Found[] {
  const name = text(command, 'name');
  const definition = child(command, 'def');
  switch (command.subtype) {
    case 'AT_SetNotNull':
      return look.schema.isKnownNotNull(table, name)
        ? []
        : [
            {
              rule: 'adding-not-nullable-field',
              message: `${table}.${name} becomes NOT NULL without a validated check.`,
            },
          ];
    case 'AT_AddColumn':
      return inNewColumn(table, child(definition, 'ColumnDef'));
    case 'AT_AddConstraint':
      return inConstraint(table, child(definition, 'Constraint'));
    case 'AT_ValidateConstraint':
      return look.schema.constraintAddedIn(table, name) === look.file && look.count > 1
        ? [{ rule: 'validate-in-same-file', message: `${name} of ${table} is validated in the file that adds it.` }]
        : [];
    case 'AT_AlterColumnType':
      return inType(look, table, name, child(definition, 'ColumnDef'));
    case 'AT_DropColumn':
      return look.isContract ? [] : [{ rule: 'ban-drop-column', message: `${table}.${name} is dropped.` }];
    case 'AT_SetLogged':
    case 'AT_SetUnLogged':
    case 'AT_SetTableSpace':
    case 'AT_SetAccessMethod':
      return [{ rule: 'rewrites-table', message: `${table} is rewritten.` }];
    default:
      return [];
  }
}

/** Of PostgreSQL's functions these give one value for all rows; of a function of one's own nobody knows from its name. */
const stableFunctions =
  /^(?:now|transaction_timestamp|statement_timestamp|current_setting|current_database|current_schema|lower|upper|length|abs|round|floor|ceil|concat|coalesce|md5|sha256|make_date|make_interval|make_timestamp|make_timestamptz|to_char|to_date|to_timestamp|to_jsonb|to_json|jsonb_build_object|jsonb_build_array|json_build_object|json_build_array|date_trunc|date_part|timezone|int4range|int8range|numrange|tsrange|tstzrange|daterange|array_fill|point|to_tsvector|decode|encode|repeat|left|right|substring|replace|format)$/;

function inNewColumn(table: string, column: Node): Found[] {
  const name = text(column, 'colname');
  const location = locationOf(column);
  const constraints = items(column, 'constraints').map((each) => each.node);
  const find = (type: string) => constraints.find((constraint) => constraint.contype === type);
  const standing = find('CONSTR_DEFAULT');
  const rewriting = rewritingDefault(column, standing, find('CONSTR_IDENTITY'), find('CONSTR_GENERATED'));
  const isRequired = find('CONSTR_NOTNULL') !== undefined && standing === undefined && rewriting === undefined;
  const unique = find('CONSTR_UNIQUE') ?? find('CONSTR_PRIMARY');
  return [
    ...(rewriting === undefined
      ? []
      : [{ rule: 'adding-field-with-default' as const, message: `${table}.${name} is added ${rewriting}.`, location }]),
    ...(isRequired
      ? [
          {
            rule: 'adding-required-field' as const,
            message: `${table}.${name} is NOT NULL without a default.`,
            location,
          },
        ]
      : []),
    ...(unique === undefined
      ? []
      : [
          {
            rule: 'disallowed-unique-constraint' as const,
            message: `${table}.${name} is added with an index.`,
            location,
          },
        ]),
  ];
}

function rewritingDefault(
  column: Node,
  standing: Node | undefined,
  identity: Node | undefined,
  generated: Node | undefined,
): string | undefined {
  if (/^(?:small|big)?serial\d?$/.test(typeOf(child(column, 'typeName')).name)) return 'as serial';
  if (identity !== undefined) return 'as identity';
  // Virtual ones are worked out when they are read.
  if (generated !== undefined) return generated.generated_kind === 'v' ? undefined : 'as a stored generated column';
  const unknown = nodesOf('FuncCall', standing)
    .map((call) => strings(call, 'funcname').at(-1) ?? '')
    .find((called) => !stableFunctions.test(called));
  return unknown === undefined ? undefined : `with a default of its own for every row (${unknown})`;
}

function inConstraint(table: string, constraint: Node): Found[] {
  const location = locationOf(constraint);
  const name = text(constraint, 'conname') || 'A constraint';
  switch (constraint.contype) {
    case 'CONSTR_CHECK':
    case 'CONSTR_FOREIGN':
      return constraint.skip_validation === true || constraint.is_enforced === false
        ? []
        : [{ rule: 'constraint-missing-not-valid', message: `${name} is added to ${table} at once.`, location }];
    case 'CONSTR_NOTNULL':
      return constraint.skip_validation === true
        ? []
        : [{ rule: 'adding-not-nullable-field', message: `${name} is added to ${table} at once.`, location }];
    case 'CONSTR_UNIQUE':
    case 'CONSTR_PRIMARY':
    case 'CONSTR_EXCLUSION':
      return text(constraint, 'indexname') !== ''
        ? []
        : [
            {
              rule: 'disallowed-unique-constraint',
              message: `${name} builds its index on ${table} at once.`,
              location,
            },
          ];
    default:
      return [];
  }
}

function inType(look: Look, table: string, name: string, definition: Node): Found[] {
  const before = look.schema.typeOf(table, name);
  const after = typeOf(child(definition, 'typeName'));
  // USING is run for every row, whatever the types.
  const isPlain = Object.keys(child(definition, 'raw_default')).length === 0;
  if (isPlain && before !== undefined && rewritesNothing(before, after)) return [];
  const location = locationOf(definition);
  return [{ rule: 'changing-column-type', message: `${table}.${name} changes its type to ${after.name}.`, location }];
}
