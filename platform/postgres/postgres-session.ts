// Owns the face of a session: statements, transactions, reset, on a connection that is never replaced.
import { EventEmitter } from 'node:events';
import type net from 'node:net';
import type { PostgresAddress } from './address.ts';
import { Connection } from './connection.ts';
import { ConnectionLostError, PostgresError } from './errors.ts';
import { Brought, flightMessage, readTag } from './flight.ts';
import { pooledBegin } from './pooled-begin.ts';
import { type Answer, checkCount, checkText } from './postgres-client.ts';
import { createPreparePolicy, type PreparePolicy } from './prepare-policy.ts';
import { commitAndResetMessage, isPlainCommand, resetMessage } from './session-reset.ts';
import type {
  BeginOptions,
  BehindPooler,
  CommitOptions,
  QueryOptions,
  QueryResult,
  RawResult,
  Session,
  SessionSettings,
} from './session-types.ts';
import { beginTexts } from './statement-job.ts';
import { parameterOf } from './values.ts';
import { queryMessage } from './wire.ts';
import type { TransactionStatus } from './wire-peek.ts';

/** For statements of our own that a healthy server answers in under a millisecond. */
const housekeepingTimeoutMs = 2_000;
/** Who has answered so recently is believed to be there: a BEGIN need not go ahead to find out. */
const aliveForMs = 5_000;

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
  /** A transaction that its first statement will take along. */
  #toBegin: BeginOptions | undefined;

  constructor(address: PostgresAddress, settings: SessionSettings, socket: net.Socket) {
    this.#settings = settings;
    this.#prepare = createPreparePolicy(settings.pooler === undefined);
    // A pooler refuses a login that brings settings it does not know.
    const atLogin = settings.pooler === undefined ? settings : { ...settings, parameters: {} };
    this.#connection = new Connection(address, atLogin, socket);
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
    return this.#connection.dirty || this.#toBegin !== undefined;
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
    checkText(text);
    checkCount(params);
    const values = params.map(parameterOf);
    if (this.#toBegin !== undefined) await this.#beginLate(this.#toBegin);
    const answer = await this.#connection.submit(
      () => this.#connection.client.unsafe(text, values, { prepare: this.#prepare.shouldPrepare(text), simple: false }),
      options,
    );
    return { rows: Array.from(answer) as R[], rowCount: answer.count ?? 0, command: answer.command ?? '' };
  }

  async queryRaw(text: string, params: readonly (string | null)[] = [], options?: QueryOptions): Promise<RawResult> {
    checkText(text);
    checkCount(params);
    const begin = this.#toBegin;
    this.#toBegin = undefined;
    const brought = await this.#fly(begin === undefined ? [] : beginTexts(begin), text, params, options);
    const { command, count } = readTag(brought.lastTag);
    if (!isPlainCommand(command)) this.#tainted = true;
    return {
      fields: (brought.columns ?? []).map(({ name, type }) => ({ name, typeOid: type })),
      rows: brought.rows,
      rowCount: count ?? 0,
      command,
    };
  }

  async script(text: string, options?: QueryOptions): Promise<void> {
    checkText(text);
    if (this.#toBegin !== undefined) await this.#beginLate(this.#toBegin);
    await this.#exchange(() => queryMessage(text), new Brought({ ofFlight: false }), options);
  }

  async begin(options: BeginOptions = {}): Promise<void> {
    this.#toBegin = options;
    const alone = options.withNext !== true || this.#settings.pooler !== undefined;
    if (alone || this.#connection.silentForMs() > aliveForMs) await this.#beginNow(options);
    this.inTransaction = true;
  }

  async commit({ thenReset = false, ...options }: CommitOptions = {}): Promise<void> {
    if (this.#forgetBegin()) return;
    if (this.#settings.pooler !== undefined) return this.#commitPooled(options);
    const resets = thenReset && !this.tainted;
    const message = resets ? commitAndResetMessage(this.#settings.advisoryLocks ?? true) : queryMessage('COMMIT');
    const brought = new Brought({ ofFlight: false });
    try {
      await this.#exchange(() => message, brought, options);
      if (resets) this.#connection.dirty = false;
    } catch (error) {
      if (brought.completed === 0) throw error;
      this.#connection.poison(new ConnectionLostError('idle', 'the session could not be reset', { cause: error }));
    }
    this.inTransaction = false;
    if (brought.firstTag === 'COMMIT') return;
    throw new PostgresError({
      code: '25P02',
      message: 'the transaction was rolled back: one of its statements had failed',
    });
  }

  /** What was listened for in the transaction would begin with its end. In a failed one it is refused with 25P02. */
  async #commitPooled(options: QueryOptions): Promise<void> {
    await this.script('UNLISTEN *;COMMIT', options);
    this.inTransaction = false;
  }

  async rollback(options: QueryOptions = { timeoutMs: housekeepingTimeoutMs }): Promise<void> {
    if (this.#forgetBegin()) return;
    await this.script('ROLLBACK', options);
    this.inTransaction = false;
  }

  async reset(): Promise<void> {
    if (this.#forgetBegin() && !this.#connection.dirty) return;
    const idle = this.transactionStatus === 'idle';
    try {
      // Behind a pooler an idle session has no backend, and the next begin() cleans the one it gets.
      if (this.#settings.pooler !== undefined) await (idle ? undefined : this.rollback());
      else await this.#clean(resetMessage(!idle, this.#settings.advisoryLocks ?? true));
    } catch (cause) {
      throw this.#connection.poison(new ConnectionLostError('idle', 'the session could not be reset', { cause }));
    }
    this.inTransaction = false;
    this.#connection.dirty = false;
  }

  async #clean(message: Buffer): Promise<void> {
    await this.#exchange(() => message, new Brought({ ofFlight: false }), { timeoutMs: housekeepingTimeoutMs });
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  async #beginNow(options: BeginOptions): Promise<void> {
    this.#toBegin = undefined;
    this.inTransaction = false;
    const { pooler } = this.#settings;
    if (pooler === undefined) await this.script(beginTexts(options).join(';'), options);
    else await this.#beginPooled(pooler, options);
    this.inTransaction = true;
  }

  async #beginPooled(pooler: BehindPooler, options: BeginOptions): Promise<void> {
    const { text, checkAt } = pooledBegin(options, this.#settings, pooler.check);
    try {
      await this.script(text, options);
    } catch (error) {
      throw error instanceof PostgresError && error.statementsBefore === checkAt ? pooler.mismatch(error) : error;
    }
  }

  /** For a statement that is not sent through #fly. */
  async #beginLate(options: BeginOptions): Promise<void> {
    try {
      await this.#beginNow(options);
    } catch (error) {
      throw this.#notBegun(error);
    }
  }

  /** Without its transaction nothing of it may run, neither what waits already nor what comes. @returns the error */
  #notBegun<E>(error: E): E {
    this.#connection.poison(new ConnectionLostError('query', 'a transaction could not be begun', { cause: error }));
    return error;
  }

  /** True where a transaction was begun of which the server knows nothing. */
  #forgetBegin(): boolean {
    if (this.#toBegin === undefined) return false;
    this.#toBegin = undefined;
    this.inTransaction = false;
    return true;
  }

  async #fly(before: readonly string[], text: string, params: readonly (string | null)[], options?: QueryOptions) {
    const brought = new Brought({ ofFlight: true });
    const name = this.#prepare.nameOf(text);
    const message = () => flightMessage(before, { text, params, name, parse: !this.#prepare.isParsed(text) });
    // In the chain of the statement itself: the next one in the queue is sent as soon as that has ended.
    const landed = (error?: unknown) => {
      if (brought.parsed > before.length) this.#prepare.parsed(text);
      if (error instanceof PostgresError && error.routine === 'RevalidateCachedQuery') this.#prepare.forgotten(text);
      if (error !== undefined && before.length > 0 && brought.completed === 0) this.#notBegun(error);
    };
    try {
      await this.#exchange(message, brought, options, landed);
    } catch (error) {
      landed(error); // also where it was never sent
      throw error;
    }
    return brought;
  }

  /** What is not a list of rows is refused as a COPY, and the connection given up. */
  async #exchange(
    message: () => Buffer,
    brought: Brought,
    options?: QueryOptions,
    landed: (error?: unknown) => void = () => {},
  ): Promise<void> {
    const send = async (): Promise<Answer> => {
      try {
        const end = await this.#connection.wire.exchange(message(), brought);
        landed();
        return end === 'copy' ? copyStream() : noAnswer;
      } catch (error) {
        landed(error);
        throw error;
      }
    };
    await this.#connection.submit(send, options);
  }
}
