// Owns the shape of a rule of the linter and of what it finds.

export type Severity = 'error' | 'warning';

export type Rule = {
  /** An error refuses a release; a warning is shown. */
  readonly severity: Severity;
  /** What happens if it is left as it is. */
  readonly why: string;
  /** The safe way to write it. */
  readonly remedy: string;
  /** The safe way as SQL. */
  readonly example: string;
  /** Says nothing about what the same release makes: nobody reads or writes it yet. */
  readonly existingOnly?: true;
};

export type Finding = {
  /** Name of the file on disk. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The line is one of the SQL that a builder file makes (`freehold migrations show`). */
  readonly generated: boolean;
  readonly rule: string;
  readonly severity: Severity;
  /** What stands there. */
  readonly message: string;
  readonly why: string;
  readonly remedy: string;
  readonly example: string;
  /** The reason given in the file, where it is waived. */
  readonly waived: string | null;
  /** The file is released already: said for completeness, refuses nothing. */
  readonly history: boolean;
};

/** What refuses a release. */
export function isBlocking({ severity, waived, history }: Finding): boolean {
  return severity === 'error' && waived === null && !history;
}
