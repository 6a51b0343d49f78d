// Owns what postgres.js sees of the socket. Two promises. It never learns that the connection has ended: its code for
// that case reconnects, and throws where nobody can catch it (CASES.md, V1); the session settles all outcomes itself.
// And messages of ours can be exchanged past it, which costs a third of a query through it and counts the statements.
import { EventEmitter } from 'node:events';
import type net from 'node:net';
import { PostgresError, type ServerErrorFields } from './errors.ts';

/** copy: the server waits for data, or sends some, and nobody here speaks that. */
export type ExchangeEnd = 'done' | 'copy';
type Exchange = {
  resolve: (end: ExchangeEnd) => void;
  reject: (error: PostgresError) => void;
  error: PostgresError | undefined;
  statements: number;
};

export class Wire extends EventEmitter {
  readonly #socket: net.Socket;
  #exchange: Exchange | undefined;
  /** Of a message that has not come to its end, and how many bytes that will take. */
  #parts: Buffer[] = [];
  #length = 0;
  #needed = 0;

  constructor(socket: net.Socket) {
    super();
    this.#socket = socket;
    socket.on('drain', () => this.emit('drain'));
  }

  /** To be called with all that the server sends. */
  receive(chunk: Buffer): void {
    if (this.#exchange === undefined) this.emit('data', chunk);
    else this.#collect(this.#exchange, chunk);
  }

  /** Sends one simple query while no statement runs; its rows are of no interest. @throws PostgresError with statementsBefore */
  exchange(queryMessage: Buffer): Promise<ExchangeEnd> {
    return new Promise((resolve, reject) => {
      this.#exchange = { resolve, reject, error: undefined, statements: 0 };
      this.#socket.write(queryMessage);
    });
  }

  #collect(exchange: Exchange, chunk: Buffer): void {
    this.#parts.push(chunk);
    this.#length += chunk.length;
    if (this.#length < this.#needed) return;
    const bytes = this.#parts.length === 1 ? chunk : Buffer.concat(this.#parts);
    this.#keep(Buffer.alloc(0));
    this.#read(exchange, bytes);
  }

  #keep(rest: Buffer): void {
    this.#parts = rest.length === 0 ? [] : [rest];
    this.#length = rest.length;
    this.#needed = rest.length < 5 ? 0 : 1 + rest.readUInt32BE(1);
  }

  #read(exchange: Exchange, bytes: Buffer): void {
    let at = 0;
    while (bytes.length - at >= 5) {
      const end = at + 1 + bytes.readUInt32BE(at + 1);
      if (end > bytes.length) break;
      const message = bytes.subarray(at, end);
      at = end;
      const done = this.#take(exchange, String.fromCharCode(message[0] as number), message);
      if (!done) continue;
      this.#exchange = undefined;
      if (at < bytes.length) this.emit('data', bytes.subarray(at));
      return;
    }
    this.#keep(bytes.subarray(at));
  }

  /** Whether the exchange has come to its end. */
  #take(exchange: Exchange, type: string, message: Buffer): boolean {
    if (type === 'E') {
      exchange.error ??= new PostgresError(errorFields(message.subarray(5)), exchange.statements);
      if (!/^(FATAL|PANIC)$/.test(exchange.error.severity)) return false;
      exchange.reject(exchange.error); // nothing comes behind it
      return true;
    }
    if (type === 'C' || type === 'I') exchange.statements += 1;
    if (type === 'A' || type === 'N' || type === 'S') this.emit('data', message); // not of this exchange
    if (type === 'G' || type === 'H' || type === 'W') {
      exchange.resolve('copy');
      return true;
    }
    if (type !== 'Z') return false; // ready for the next query
    if (exchange.error === undefined) exchange.resolve('done');
    else exchange.reject(exchange.error);
    return true;
  }

  // From here on what postgres.js calls on a socket.

  write(bytes: Buffer, done?: () => void): boolean {
    return this.#socket.destroyed ? false : this.#socket.write(bytes, done);
  }
  end(): void {}
  destroy(): void {
    this.#socket.destroy();
  }
  pause(): void {
    this.#socket.pause();
  }
  resume(): void {
    this.#socket.resume();
  }
  get readyState(): string {
    return this.#socket.readyState;
  }
}

/** A simple query in the form of the protocol. */
export function queryMessage(text: string): Buffer {
  const body = Buffer.from(`${text}\0`);
  const message = Buffer.alloc(5 + body.length);
  message.write('Q', 'latin1');
  message.writeUInt32BE(4 + body.length, 1);
  body.copy(message, 5);
  return message;
}

/** Letters of the protocol documentation (section 54.8). */
const fieldNames: Readonly<Record<string, keyof ServerErrorFields>> = {
  V: 'severity',
  C: 'code',
  M: 'message',
  D: 'detail',
  H: 'hint',
  P: 'position',
  p: 'internal_position',
  q: 'internal_query',
  W: 'where',
  s: 'schema_name',
  t: 'table_name',
  c: 'column_name',
  d: 'data type_name',
  n: 'constraint_name',
  F: 'file',
  L: 'line',
  R: 'routine',
};

function errorFields(payload: Buffer): ServerErrorFields {
  const fields: ServerErrorFields = { message: '', code: '' };
  for (const field of payload.toString('utf8').split('\0')) {
    const name = fieldNames[field[0] ?? ''];
    if (name !== undefined) fields[name] = field.slice(1);
  }
  return fields;
}
