// Owns the life of one connection: one statement at a time, its cancel, and the end. The protocol is spoken by postgres.js on a
// wire of ours; every outcome is decided here, so that no promise depends on that library's behaviour when a connection dies.
import type net from 'node:net';
import { describeAddress, type PostgresAddress } from './address.ts';
import { ConnectionLostError, PostgresError, ResultTooLargeError } from './errors.ts';
import { type Answer, type Client, createClient, type Pending } from './postgres-client.ts';
import { bare, endsSession, errorText, serverErrorOf } from './session-loss.ts';
import type { QueryOptions, SessionSettings } from './session-types.ts';
import { createJob, type Job, releaseJob } from './statement-job.ts';
import { sendCancelRequest } from './transport.ts';
import { Wire } from './wire.ts';
import { fatalStateIn, statusAtEnd, type TransactionStatus } from './wire-peek.ts';

/** From an abort to the end of waiting: below the second that a caller may be kept over its deadline (S02). */
const cancelWaitMs = 800;
const closeWaitMs = 1_000;

export class Connection {
  readonly closed: Promise<ConnectionLostError>;
  readonly client: Client;
  readonly wire: Wire;
  /** Something was sent since the last time somebody put this back. */
  dirty = false;
  /** A cached plan is older than the schema. */
  stale = false;

  readonly #address: PostgresAddress;
  readonly #socket: net.Socket;
  readonly #waiting: Job[] = [];
  #current: Job | undefined;
  #backend = { pid: 0, secret: 0 };
  #lastChunk: Buffer | undefined;
  #heardAtMs = performance.now();
  #lost: ConnectionLostError | undefined;
  #phase: 'connect' | 'query' = 'connect';
  #tellClosed: (error: ConnectionLostError) => void = () => {};

  constructor(address: PostgresAddress, settings: SessionSettings, socket: net.Socket) {
    this.#address = address;
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      this.#tellClosed = resolve;
    });
    socket.on('data', (chunk: Buffer) => {
      this.#lastChunk = chunk;
      this.#heardAtMs = performance.now();
      const job = this.#current;
      if (job?.bytesLeft !== undefined) {
        job.bytesLeft -= chunk.length;
        if (job.bytesLeft < 0) this.#refuseSize(job);
      }
      if (this.#current === undefined && fatalStateIn(chunk) !== undefined) {
        this.#onHangUp('the server ended the session');
      }
      this.wire.receive(chunk);
    });
    socket.on('error', (cause) => this.#onHangUp(cause.message, cause));
    socket.on('end', () => this.#onHangUp('the server closed the connection'));
    socket.on('close', () => this.#onHangUp('the connection was closed'));
    this.wire = new Wire(socket);
    this.client = createClient(address, settings, this.wire);
  }

  get backendPid(): number {
    return this.#backend.pid;
  }
  get usable(): boolean {
    return this.#lost === undefined;
  }
  get busy(): boolean {
    return this.#current !== undefined;
  }
  silentForMs(): number {
    return performance.now() - this.#heardAtMs;
  }
  /** The server's word after the last answer. */
  get transactionStatus(): TransactionStatus | undefined {
    return this.busy || this.#lastChunk === undefined ? undefined : statusAtEnd(this.#lastChunk);
  }

  /** Logs in. The first message is empty: it costs no planning, and its answer proves that the server serves. */
  async start(timeoutMs: number): Promise<void> {
    const timer = setTimeout(() => this.#onHangUp(`no answer to the login within ${timeoutMs} ms`), timeoutMs);
    let first: Pending | undefined;
    try {
      await this.submit(() => {
        first = this.client.unsafe('', [], { prepare: false, simple: true });
        return first;
      });
      if (first?.state) this.#backend = first.state;
      this.#phase = 'query';
      this.dirty = false;
    } catch (error) {
      throw error instanceof PostgresError ? this.poison(this.#lostBy(error)) : error;
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    if (this.#current !== undefined) await sendCancelRequest(this.#address, this.#backend, closeWaitMs / 2);
    if (this.#lost === undefined) {
      // Terminate, so that the server does not log a lost connection. The socket is destroyed when it was taken.
      this.#lost = new ConnectionLostError('idle', 'the session was closed');
      const gone = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()));
      const timer = setTimeout(() => this.#socket.destroy(), closeWaitMs);
      this.#socket.end(Buffer.from([0x58, 0, 0, 0, 4]));
      this.#settle(this.#lost);
      await gone;
      clearTimeout(timer);
    }
  }

  /** Sends it when those before it have been answered. @throws PostgresError, ConnectionLostError, the signal's reason */
  submit(send: () => Pending, options: QueryOptions = {}): Promise<Answer> {
    if (this.#lost !== undefined) return Promise.reject(this.#neverSent());
    if (options.signal?.aborted) return Promise.reject(options.signal.reason);
    return new Promise((resolve, reject) => {
      const job = createJob({ send, resolve, reject }, options, (reason) => this.#abort(job, reason));
      if (this.#current === undefined) this.#run(job);
      else this.#waiting.push(job);
    });
  }

  #run(job: Job): void {
    this.#current = job;
    this.dirty = true;
    job.send().then(
      (answer) => this.#onAnswer(job, answer),
      (error: unknown) => this.#onFailure(job, error),
    );
  }

  #onAnswer(job: Job, answer: Answer): void {
    if (this.#current !== job) return; // the connection was given up before
    if (!Array.isArray(answer)) {
      this.#refuseCopy(job, answer);
      return;
    }
    this.#finish(job);
    job.resolve(answer);
    this.#next(job);
  }

  #onFailure(job: Job, thrown: unknown): void {
    if (this.#current !== job) return;
    const error = serverErrorOf(thrown);
    if (error === undefined) {
      this.poison(
        new ConnectionLostError(this.#phase, errorText(thrown), { sqlstate: this.#fatalState(), cause: bare(thrown) }),
      );
      return;
    }
    if (endsSession(error)) {
      this.poison(this.#lostBy(error));
      return;
    }
    // A prepared plan outlived a migration. The statement is forgotten by now, but others of this session are as old.
    if (error.routine === 'RevalidateCachedQuery') this.stale = true;
    this.#finish(job);
    job.reject(job.cancelled === undefined ? error : job.cancelled.reason);
    this.#next(job);
  }

  /** The connection is in a mode in which postgres.js can hang for ever (STACK.md, 0.7), so it is given up. */
  #refuseCopy(job: Job, stream: unknown): void {
    (stream as NodeJS.EventEmitter).on('error', () => {});
    this.#finish(job);
    job.reject(new PostgresError({ code: '0A000', message: 'COPY from or to the client is not supported here' }));
    this.poison(new ConnectionLostError('idle', 'a COPY was begun and given up'));
  }

  /** Sent and not wanted to its end, so its outcome does not matter: a statement that answers too much has failed. */
  #refuseSize(job: Job): void {
    this.#finish(job);
    void sendCancelRequest(this.#address, this.#backend, cancelWaitMs);
    job.reject(new ResultTooLargeError());
    this.poison(new ConnectionLostError('idle', 'a result was larger than allowed and was given up'));
  }

  #next(ended: Job): void {
    if (ended.cancelled !== undefined) {
      this.poison(new ConnectionLostError('idle', 'a statement of this session was cancelled'));
      return;
    }
    const job = this.#waiting.shift();
    if (job !== undefined) this.#run(job);
  }

  #abort(job: Job, reason: unknown): void {
    if (this.#current !== job) {
      const at = this.#waiting.indexOf(job);
      if (at === -1) return;
      this.#waiting.splice(at, 1);
      releaseJob(job);
      job.reject(reason);
      return;
    }
    if (job.cancelled !== undefined) return;
    job.cancelled = { reason };
    clearTimeout(job.timer);
    job.timer = setTimeout(() => {
      this.poison(
        new ConnectionLostError('query', 'no answer to a cancelled statement: its outcome is unknown', {
          cause: reason,
        }),
      );
    }, cancelWaitMs);
    void sendCancelRequest(this.#address, this.#backend, cancelWaitMs);
  }

  #finish(job: Job): void {
    releaseJob(job);
    this.#current = undefined;
  }

  #onHangUp(why: string, cause?: unknown): void {
    if (this.#lost !== undefined) return;
    const phase = this.#phase === 'connect' ? 'connect' : this.#current === undefined ? 'idle' : 'query';
    const message = `${why} (${describeAddress(this.#address)})`;
    this.poison(new ConnectionLostError(phase, message, { sqlstate: this.#fatalState(), cause: bare(cause) }));
  }

  /** Gives the connection up for ever; the first reason stays. */
  poison(error: ConnectionLostError): ConnectionLostError {
    if (this.#lost !== undefined) return this.#lost;
    this.#lost = error;
    this.#socket.destroy();
    this.#settle(error);
    return error;
  }

  #settle(error: ConnectionLostError): void {
    const current = this.#current;
    const waiting = this.#waiting.splice(0);
    if (current !== undefined) {
      this.#finish(current);
      current.reject(error.phase === 'idle' ? new ConnectionLostError('query', error.message, error) : error);
    }
    for (const job of waiting) {
      releaseJob(job);
      job.reject(this.#neverSent());
    }
    this.#lastChunk = undefined;
    this.#tellClosed(error);
  }

  #neverSent(): ConnectionLostError {
    return new ConnectionLostError('idle', `the session is gone: ${this.#lost?.message}`, {
      sqlstate: this.#lost?.sqlstate,
      cause: this.#lost,
    });
  }

  #fatalState(): string | undefined {
    return this.#lastChunk && fatalStateIn(this.#lastChunk);
  }

  #lostBy(error: PostgresError): ConnectionLostError {
    const message = `the server ended the session: ${error.message} (${describeAddress(this.#address)})`;
    return new ConnectionLostError(this.#phase, message, { sqlstate: error.sqlstate, cause: error });
  }
}
