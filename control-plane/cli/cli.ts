// Owns what every command is handed: the client, the streams and the wishes of the caller (--json, --quiet). Data goes to stdout,
// everything else to stderr. The client is loaded on first use, so that --help costs no more than the parser.
import type { Command } from 'commander';
import type { Client } from '../client.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { createPaint, type Paint } from './paint.ts';
import { findTarget, type ProfileFlags, type Target } from './profile.ts';
import { type Column, renderFields, renderTable } from './table.ts';

/** The process, as far as commands see it. */
export type Io = {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What is said when Ctrl-C comes now; set by whoever has something under way. */
  farewell: (() => readonly string[]) | undefined;
  exitCode: ExitCode;
  /** What a refusal by the server counts as; set by a command for which it means that nothing was begun. */
  refusedCode?: ExitCode | undefined;
};

export type GlobalOptions = ProfileFlags & { json?: boolean; quiet?: boolean };

export interface Cli {
  readonly io: Io;
  readonly json: boolean;
  readonly paintOut: Paint;
  readonly paintErr: Paint;
  target(): Target;
  client(): Promise<Client>;
  /** stdout, as it is. */
  print(text: string): void;
  /** stderr, a line; silent with --quiet. */
  note(line: string): void;
  /** One document with --json, otherwise names and values. */
  show(document: unknown, fields: Parameters<typeof renderFields>[0]): void;
  /** One document, for --json. */
  showDocument(document: unknown): void;
  /** One JSON array with --json, otherwise a table. */
  showList<R>(rows: readonly R[], columns: readonly Column<R>[], whenEmpty: string): void;
  /** Progress may be written; false with --quiet. */
  readonly talks: boolean;
}

export function createCli(io: Io, options: GlobalOptions): Cli {
  const json = options.json === true;
  const paintOut = createPaint(io.stdout);
  const print = (text: string) => void io.stdout.write(text);
  const note = (line: string) => {
    if (options.quiet !== true) io.stderr.write(`${line}\n`);
  };
  let client: Client | undefined;
  return {
    io,
    json,
    paintOut,
    paintErr: createPaint(io.stderr),
    talks: options.quiet !== true,
    target: () => findTarget(options, io.env),
    async client() {
      if (client === undefined) {
        const { url, apiKey } = findTarget(options, io.env);
        const { createClient } = await import('../client.ts');
        client = createClient({ baseUrl: url, apiKey });
      }
      return client;
    },
    print,
    note,
    show: (document, fields) => print(json ? jsonText(document) : renderFields(fields, paintOut)),
    showDocument: (document) => print(jsonText(document)),
    showList(rows, columns, whenEmpty) {
      if (json) print(jsonText(rows));
      else if (rows.length === 0) note(whenEmpty);
      else
        print(renderTable(rows, columns, { paint: paintOut, width: io.stdout.isTTY ? io.stdout.columns : undefined }));
    },
  };
}

/** Wraps a command's function as commander wants it: arguments, options and the command come in, the Cli is made of them. */
export function action<A extends unknown[]>(io: Io, run: (cli: Cli, ...args: A) => Promise<void>) {
  return async (...given: unknown[]): Promise<void> => {
    const command = given.at(-1) as Command;
    io.exitCode = exitCodes.ok;
    await run(createCli(io, command.optsWithGlobals<GlobalOptions>()), ...(given.slice(0, -1) as A));
  };
}

export function jsonText(document: unknown): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}
