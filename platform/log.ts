// Owns log lines: pino, one redaction list, ids of the request and the operation on every line.
// Promises that no line carries a secret: values under a secret's name are removed at any depth, and what looks like a
// secret inside any text (messages, stacks, URLs, SQL) is removed from the finished line.
import { AsyncLocalStorage } from 'node:async_hooks';
import { type DestinationStream, type Logger, pino } from 'pino';
import { redactByName, scrubText } from './redaction.ts';

export type Log = Logger;
export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';

export type LogDeps = {
  name: string;
  level?: LogLevel;
  /** Where lines go; standard output unless told. */
  destination?: DestinationStream;
};

export type LogContext = { request_id?: string; operation_id?: string; tenant_id?: string; [field: string]: unknown };

export function createLog({ name, level = 'info', destination }: LogDeps): Log {
  const log = pino(
    {
      name,
      level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => redactByName(fields) as Record<string, unknown>,
      },
      serializers: { err: (value) => value }, // redactByName has already described the error
      // A copy: pino merges the fields of the line into what it is given.
      mixin: () => ({ ...contexts.getStore() }),
      hooks: { streamWrite: scrubText },
    },
    destination ?? pino.destination(1),
  );
  // pino writes the fields of a child once and past the formatter above; children inherit this method.
  const child = log.child;
  log.child = function redactedChild(this: Log, fields: object, ...rest: unknown[]) {
    return Reflect.apply(child, this, [redactByName(fields), ...rest]);
  } as typeof log.child;
  return log;
}

/** For the log that reports a wrong configuration, which may be a wrong level. */
export function logLevelOf(text: string | undefined): LogLevel {
  return levels.find((level) => level === text) ?? 'info';
}

/** Every line written by `fn`, and by whatever it awaits, carries these fields. Contexts nest. */
export function withLogContext<T>(fields: LogContext, fn: () => T): T {
  return contexts.run({ ...contexts.getStore(), ...fields }, fn);
}

const levels: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
const contexts = new AsyncLocalStorage<LogContext>();
