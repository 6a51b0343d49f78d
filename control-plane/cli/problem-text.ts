// Owns how anything that went wrong is told: title, detail, code, what to do next, request id, on stderr. With --json a problem
// of the server is its document, one line of JSON on stderr.
import type { ApiProblem } from '../client.ts';
import { CliError } from './cli-error.ts';
import { type ExitCode, exitCodeOfStatus, exitCodes } from './exit-codes.ts';
import { type Paint, printable, printableLines } from './paint.ts';

export type Told = { text: string; exitCode: ExitCode };

export function tellError(
  error: unknown,
  { paint, json, url }: { paint: Paint; json: boolean; url?: string | undefined },
): Told {
  if (isApiProblem(error)) {
    const exitCode = error.code === 'lint_failed' ? exitCodes.findings : exitCodeOfStatus(error.status);
    return { exitCode, text: json ? `${JSON.stringify(documentOf(error))}\n` : problemText(error, paint, url) };
  }
  const known = error instanceof CliError ? error : connectionError(error, url);
  if (json) {
    const document = { title: known.message, code: known.code, next: known.next };
    return { exitCode: known.exitCode, text: `${JSON.stringify(document)}\n` };
  }
  return { exitCode: known.exitCode, text: lines(known.message, [], known.next, paint) };
}

function problemText(problem: ApiProblem, paint: Paint, url: string | undefined): string {
  const details = [
    ...printableLines(problem.detail).filter((line) => line !== problem.title),
    ...problem.errors.map(({ pointer, message }) => `${printable(pointer)} ${printable(message)}`),
  ];
  const facts = [
    `${paint('dim', 'code')}        ${printable(problem.code)}`,
    ...(problem.requestId === '' ? [] : [`${paint('dim', 'request id')}  ${printable(problem.requestId)}`]),
  ];
  return lines(printable(problem.title), [...details, ...facts], nextSteps(problem, url), paint);
}

function lines(title: string, body: readonly string[], next: readonly string[], paint: Paint): string {
  const head = `${paint('red', '✗')} ${paint('bold', title)}`;
  const rest = [...body, ...next.map((each) => `${paint('cyan', '→')} ${each}`)];
  return `${[head, ...rest.map((line) => `  ${line}`)].join('\n')}\n`;
}

/** What to type next, where a command of ours helps; otherwise where the code is explained. */
function nextSteps({ code, status, extra }: ApiProblem, url: string | undefined): string[] {
  const operationId = typeof extra.operation_id === 'string' ? extra.operation_id : undefined;
  if (operationId !== undefined) return [`freehold operations watch ${printable(operationId)}`];
  if (status === 401) return ['Check FREEHOLD_API_KEY, --api-key or the profile: the server does not know this key.'];
  if (status === 403) return ['`freehold me` shows what your key may do; an owner can make another one.'];
  if (Array.isArray(extra.regions))
    return [`Regions: ${extra.regions.map((region) => printable(String(region))).join(', ')}`];
  if (code === 'stale_version') return ['Somebody changed it meanwhile: run the command again.'];
  return url === undefined ? [] : [`${url}/docs/errors#${encodeURIComponent(code)}`];
}

/** Anything that is neither a problem nor ours: most likely the network, else a defect, which shows its stack. */
function connectionError(error: unknown, url: string | undefined): CliError {
  const at = url === undefined ? '' : ` at ${url}`;
  if (error instanceof Error && error.name === 'TimeoutError') {
    return new CliError(`The server${at} did not answer in time.`, {
      exitCode: exitCodes.failed,
      next: ['What was asked may still be carried out: look before you repeat it.'],
    });
  }
  if (error instanceof TypeError && error.message === 'fetch failed') {
    return new CliError(`The server${at} cannot be reached${reasonOf(error.cause)}.`, {
      exitCode: exitCodes.failed,
      next: ['Is it running? `npm start` starts everything on this machine; FREEHOLD_URL names another server.'],
      cause: error,
    });
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new CliError(`This should not happen: ${text}`, { exitCode: exitCodes.failed, cause: error });
}

function reasonOf(cause: unknown): string {
  const { code } = (cause ?? {}) as { code?: unknown };
  return typeof code === 'string' ? ` (${code})` : '';
}

function documentOf({ title, status, code, detail, errors, requestId, extra }: ApiProblem): object {
  const { type: _type, ...rest } = extra;
  return { ...rest, title, status, code, detail, request_id: requestId, ...(errors.length > 0 && { errors }) };
}

/** By name, so that the client need not be loaded to tell that something else went wrong. */
function isApiProblem(error: unknown): error is ApiProblem {
  return error instanceof Error && error.name === 'ApiProblem';
}
