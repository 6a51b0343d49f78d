// Owns what a search for findings is given of a statement, and what it gives back.
import type { SqlStatement } from '../../migration-files/parse-sql.ts';
import type { RuleId } from '../rules.ts';
import type { SchemaSoFar } from '../schema-so-far.ts';

export type Look = {
  readonly statement: SqlStatement;
  /** Its place in the file, and how many there are. */
  readonly index: number;
  readonly count: number;
  /** View, table or function → the place of the last statement of the file that makes it. */
  readonly madeHere: ReadonlyMap<string, number>;
  /** Position of the file in the lane. */
  readonly file: number;
  readonly lane: string;
  /** It takes away what older applications use, and says from which version on nobody does. */
  readonly isContract: boolean;
  readonly schema: SchemaSoFar;
  /** Made by this release: nobody uses it yet. */
  isNew(name: string): boolean;
};

export type Found = {
  readonly rule: RuleId;
  /** A sentence about what stands there. */
  readonly message: string;
  /** The parser's location of the place; the statement's own when it is left out. */
  readonly location?: number | undefined;
};

export type Search = (look: Look) => Found[];
