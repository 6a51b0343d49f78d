// Owns the shape of a migration once it was read: what a release stores of each file and what is sent to a database. Made from
// any of node-pg-migrate's own formats by read-folder.ts; from then on nobody asks a disk.
import type { ProgramSources } from './program-sources.ts';

/** Text for the server. `transaction`: all of it in one with its bookkeeping; else statement by statement, resumable. */
export type MigrationScript = {
  readonly transaction: boolean;
  /** Each with as many lines before it as in its file, so that a position in it gives the line of the file. */
  readonly statements: readonly string[];
  /** By a program: its lines are nobody's. */
  readonly made?: boolean;
};

/**
 * A builder file that asks the database while it runs, so that its SQL differs between databases: its source is kept, with the
 * files that it imports (program-sources.ts), and run by the worker. `up` and `down` say which way asks; the script of that way
 * is empty.
 */
export type MigrationProgram = ProgramSources & {
  readonly shorthands: object;
  readonly up: boolean;
  readonly down: boolean;
};

export type MigrationFile = {
  /** File name without its extension, as node-pg-migrate writes it into pgmigrations. */
  readonly name: string;
  /** SHA-256 of the file(s) as they stand; of a builder file that imports others beside it, of those too. */
  readonly hash: string;
  /** A file in transaction mode has one statement: its whole text, with the line numbers of the file where it is SQL. */
  readonly up: MigrationScript;
  /** Null: not reversible. */
  readonly down: MigrationScript | null;
  readonly program: MigrationProgram | null;
  /** From `-- freehold: contract requires=<version>`: no tenant may stand below this version when the file goes out. */
  readonly contractRequires: string | null;
};

/** SQL of one direction, with the line numbers of its entry; of a builder file what it makes. */
export type WrittenSql = { readonly entry: string; readonly text: string; readonly generated: boolean };

/** `-- freehold: allow <rule>: <reason>`, with its line in the entry. */
export type Waiver = {
  readonly rule: string;
  readonly reason: string;
  readonly entry: string;
  readonly line: number;
};

/** What a person wrote, for those who judge it and say where: the linter and the command line. A database never sees it. */
export type Written = {
  /** One file or a pair, as they stand on disk. */
  readonly entries: readonly { readonly name: string; readonly text: string }[];
  /** Null: known only where it runs. */
  readonly up: WrittenSql | null;
  readonly down: WrittenSql | null;
  readonly waivers: readonly Waiver[];
  /** Of a builder file: the hash over what it imports. */
  readonly imports?: string;
};

export type WrittenFile = MigrationFile & { readonly written: Written };

/** An ordered, checked set of files: what a folder holds or what a release has stored. */
export type Lane = {
  readonly name: string;
  readonly files: readonly MigrationFile[];
  /** The numeric prefix of the last file's name. */
  readonly version: string;
  /** Over names and hashes of all files; equal for a database exactly when it has all of them, unchanged. */
  readonly hash: string;
};

/** As it is read from a folder, or from what was sent of one. */
export type WrittenLane = Omit<Lane, 'files'> & { readonly files: readonly WrittenFile[] };
