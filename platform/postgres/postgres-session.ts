// Owns the face of a session: statements, transactions, reset, on a connection that is never replaced.
import { EventEmitter } from 'node:events';
import type net from 'node:net';
import type { PostgresAddress } from './address.ts';
import { Connection } from './connection.ts';
import { ConnectionLostError, PostgresError } from './errors.ts';
import { type Answer, checkCount, checkText } from './postgres-client.ts';
import { createPreparePolicy, type PreparePolicy } from './prepare-policy.ts';
import { isPlainCommand, resetMessage } from './session-reset.ts';
import type { BeginOptions, QueryOptions, QueryResult, RawResult, Session, SessionSettings } from './session-types.ts';
import { beginText } from './statement-job.ts';
import { parameterOf } from './values.ts';
import { queryMessage } from './wire.ts';
import type { TransactionStatus } from './wire-peek.ts';

/** For statements of our own that a healthy server answers in under a millisecond. */
const housekeepingTimeoutMs = 2_000;

const copyStream = () => new EventEmitter() as unknown as Answer;
const noAnswer: Answer = Object.assign([], { count: null, command: null });

let lastSessionId = 0;

export class PostgresSession implements Session {
  readonly id = ++lastSessionId;
  inTransaction = false;

  readonly #connection: Connection;
  readonly #settings: SessionSettings;
  readonly #prepare: PreparePolicy;
  #tainted = false;

  constructor(address: PostgresAddress, settings: SessionSettings, socket: net.Socket) {
    this.#settings = settings;
    this.#prepare = createPreparePolicy(settings.prepare ?? true);
    this.#connection = new Connection(address, settings, socket);
  }

  get closed(): Promise<ConnectionLostError> {
    return this.#connection.closed;
  }
  get backendPid(): number {
    return this.#connection.backendPid;
  }
  get usable(): boolean {
    return this.#connection.usable;
  }
  get busy(): boolean {
    return this.#connection.busy;
  }
  get dirty(): boolean {
    return this.#connection.dirty;
  }
  get tainted(): boolean {
    return this.#tainted || this.#connection.stale;
  }
  get transactionStatus(): TransactionStatus | undefined {
    return this.#connection.transactionStatus;
  }

  start(timeoutMs: number): Promise<void> {
    return this.#connection.start(timeoutMs);
  }

  async query<R>(text: string, params: readonly unknown[] = [], options?: QueryOptions): Promise<QueryResult<R>> {
    const answer = await this.#extended(text, params, false, options);
    return { rows: Array.from(answer) as R[], rowCount: answer.count ?? 0, command: answer.command ?? '' };
  }

  async queryRaw(text: string, params: readonly (string | null)[] = [], options?: QueryOptions): Promise<RawResult> {
    const answer = await this.#extended(text, params, true, options);
    const command = answer.command ?? '';
    if (!isPlainCommand(command)) this.#tainted = true;
    return {
      fields: (answer.columns ?? []).map((column) => ({ name: column.name, typeOid: column.type })),
      rows: (answer as (Buffer | null)[][]).map((row) =>
        row.map((value) => (value === null ? null : value.toString('utf8'))),
      ),
      rowCount: answer.count ?? 0,
      command,
    };
  }

  async script(text: string, options?: QueryOptions): Promise<void> {
    checkText(text);
    const { wire } = this.#connection;
    const exchange = () =>
      // What is not a list of rows is refused as a COPY, and the connection given up.
      wire.exchange(queryMessage(text)).then((end) => (end === 'copy' ? copyStream() : noAnswer));
    await this.#connection.submit(exchange, options);
  }

  async begin(options: BeginOptions = {}): Promise<void> {
    await this.script(beginText(options), options);
    this.inTransaction = true;
  }

  async commit(options?: QueryOptions): Promise<void> {
    const answer = await this.#connection.submit(
      () => this.#connection.client.unsafe('COMMIT', [], { prepare: false, simple: true }),
      options,
    );
    this.inTransaction = false;
    if (answer.command === 'COMMIT') return;
    throw new PostgresError({
      code: '25P02',
      message: 'the transaction was rolled back: one of its statements had failed',
    });
  }

  async rollback(options: QueryOptions = { timeoutMs: housekeepingTimeoutMs }): Promise<void> {
    await this.script('ROLLBACK', options);
    this.inTransaction = false;
  }

  async reset(): Promise<void> {
    try {
      const message = resetMessage(this.transactionStatus !== 'idle', this.#settings.advisoryLocks ?? true);
      await this.#connection.submit(() => this.#connection.wire.exchange(message).then(() => noAnswer), {
        timeoutMs: housekeepingTimeoutMs,
      });
    } catch (cause) {
      throw this.#connection.poison(new ConnectionLostError('idle', 'the session could not be reset', { cause }));
    }
    this.inTransaction = false;
    this.#connection.dirty = false;
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  #extended(text: string, params: readonly unknown[], raw: boolean, options?: QueryOptions): Promise<Answer> {
    checkText(text);
    checkCount(params);
    const values = params.map(parameterOf);
    return this.#connection.submit(() => {
      const pending = this.#connection.client.unsafe(text, values, {
        prepare: this.#prepare.shouldPrepare(text),
        simple: false,
      });
      return raw ? pending.raw() : pending;
    }, options);
  }
}
