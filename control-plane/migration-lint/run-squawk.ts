// Owns running squawk: its program, from its npm package, without a shell, with the text on stdin and nothing of the caller's
// environment or configuration files. Its answer is parsed; what it cannot parse itself is no finding, for PostgreSQL could.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { z } from 'zod';

export type SquawkFinding = { rule: string; line: number; column: number };

/** Thrown where the program is not there or does not answer as it should; the text says what to do. */
export class SquawkUnavailable extends Error {}

/** A file takes some milliseconds; this is for a machine that stands still. */
const timeoutMs = 60_000;

/** @param serverMajor the oldest PostgreSQL that the file will meet @throws SquawkUnavailable */
export async function runSquawk(text: string, serverMajor: number): Promise<SquawkFinding[]> {
  const args = ['--reporter', 'json', '--assume-in-transaction', '--pg-version', `${serverMajor}.0`];
  const output = await run(squawkProgram(), [...args, '--stdin-filepath', 'migration.sql'], text);
  const report = reportSchema.safeParse(jsonOf(output));
  if (!report.success)
    throw new SquawkUnavailable('squawk answered in a form that is not known; is its version right?');
  // Its lines and columns begin at 0.
  return report.data.map(({ rule_name: rule, line, column }) => ({ rule, line: line + 1, column: column + 1 }));
}

const reportSchema = z.array(z.object({ rule_name: z.string(), line: z.int(), column: z.int() }));

/** Beside its npm package, one per platform; the wrapper in node_modules/.bin only starts it. */
function squawkProgram(): string {
  const require = createRequire(import.meta.url);
  const { platform, arch } = process;
  try {
    const fromPackage = createRequire(require.resolve('squawk-cli/package.json'));
    return fromPackage.resolve(`@squawk-cli/${platform}-${arch}/bin/${platform === 'win32' ? 'squawk.exe' : 'squawk'}`);
  } catch (cause) {
    throw new SquawkUnavailable(
      `The linter squawk is not installed for ${platform}-${arch}; install with its optional packages (npm ci).`,
      { cause },
    );
  }
}

function run(program: string, args: readonly string[], input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    // At the root: squawk takes a .squawk.toml of the folder it is started in.
    const child = spawn(program, args, { cwd: path.parse(program).root, env: {}, timeout: timeoutMs });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.resume();
    child.stdin.on('error', () => {}); // it ended before it had read all; its exit says why
    child.on('error', (cause) =>
      reject(new SquawkUnavailable(`squawk cannot be started: ${cause.message}`, { cause })),
    );
    // 0: nothing, 1: findings.
    child.on('close', (code, signal) => {
      if (code === 0 || code === 1) resolve(Buffer.concat(chunks).toString('utf8'));
      else reject(new SquawkUnavailable(`squawk ended with ${signal ?? `code ${code}`}.`));
    });
    child.stdin.end(input);
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
