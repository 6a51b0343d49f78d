// Owns one statement on its way through a session: who waits for it, and what may end the waiting.
import type { Answer, Pending } from './postgres-client.ts';
import type { BeginOptions, IsolationLevel, QueryOptions } from './session-types.ts';

export type Job = {
  send: () => Pending;
  resolve: (answer: Answer) => void;
  reject: (error: unknown) => void;
  signal: AbortSignal | undefined;
  onAbort: (() => void) | undefined;
  timer: NodeJS.Timeout | undefined;
  bytesLeft: number | undefined;
  /** Set once a cancel is on its way. */
  cancelled: { reason: unknown } | undefined;
};

/** @param onAbort is called when the signal is aborted or the time is over, until releaseJob */
export function createJob(
  parts: Pick<Job, 'send' | 'resolve' | 'reject'>,
  { signal, timeoutMs, bytesMax }: QueryOptions,
  onAbort: (reason: unknown) => void,
): Job {
  const job: Job = {
    ...parts,
    signal,
    onAbort: undefined,
    timer: undefined,
    bytesLeft: bytesMax,
    cancelled: undefined,
  };
  if (signal !== undefined) {
    job.onAbort = () => onAbort(signal.reason);
    signal.addEventListener('abort', job.onAbort, { once: true });
  }
  if (timeoutMs !== undefined) {
    job.timer = setTimeout(() => onAbort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  }
  return job;
}

export function releaseJob(job: Job): void {
  clearTimeout(job.timer);
  if (job.onAbort !== undefined) job.signal?.removeEventListener('abort', job.onAbort);
}

/** Not set_config(): a SELECT takes the snapshot, and SET TRANSACTION must come before that. */
export function beginTexts({ isolation, readOnly, deferrable, settings = {}, snapshot }: BeginOptions): string[] {
  const modes = [
    isolation && `ISOLATION LEVEL ${isolationText[isolation]}`,
    readOnly && 'READ ONLY',
    deferrable && 'DEFERRABLE',
  ].filter((mode) => mode);
  return [`BEGIN ${modes.join(', ')}`, ...setLocal(settings), ...(snapshot ? ['SELECT 1'] : [])];
}

/** One statement for each setting. The names are ours. */
export function setLocal(settings: Readonly<Record<string, string>>): string[] {
  return Object.entries(settings).map(([name, value]) => `SET LOCAL ${name} = ${literal(value)}`);
}

export const isolationText: Record<IsolationLevel, string> = {
  'read committed': 'READ COMMITTED',
  'repeatable read': 'REPEATABLE READ',
  serializable: 'SERIALIZABLE',
};

/**
 * An escape string of ASCII alone means the same whatever the session's standard_conforming_strings and client_encoding say: a
 * pooler may hand over a backend in which somebody has set them. A zero byte ends the message.
 */
function literal(text: string): string {
  const safe = text.replaceAll('\\', '\\\\').replaceAll("'", "''").replaceAll('\0', '');
  return `E'${isAscii(safe) ? safe : safe.toWellFormed().replace(/[\u{80}-\u{10ffff}]/gu, escaped)}'`;
}

function isAscii(text: string): boolean {
  return !/[\u0080-\uffff]/.test(text);
}

function escaped(character: string): string {
  return `\\U${(character.codePointAt(0) as number).toString(16).padStart(8, '0')}`;
}
