// Owns what postgres.js sees of the socket. Two promises. It never learns that the connection has ended: its code for
// that case reconnects, and throws where nobody can catch it (CASES.md, V1); the session settles all outcomes itself.
// And messages of ours can be exchanged past it, which costs a third of a query through it and counts the statements.
import { EventEmitter } from 'node:events';
import type net from 'node:net';
import { PostgresError, type ServerErrorFields } from './errors.ts';
import { Brought, readColumns, readRow } from './flight.ts';

/** copy: the server waits for data, or sends some, and nobody here speaks that. */
export type ExchangeEnd = 'done' | 'copy';
type Exchange = {
  resolve: (end: ExchangeEnd) => void;
  reject: (error: PostgresError) => void;
  brought: Brought;
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

  /**
   * Sends a message that ends in one ReadyForQuery, while no statement runs. What comes is put into `brought`; the rows of a
   * simple query are of no interest. @throws PostgresError, of a simple query with statementsBefore
   */
  exchange(message: Buffer, brought = new Brought({ ofFlight: false })): Promise<ExchangeEnd> {
    return new Promise((resolve, reject) => {
      this.#exchange = { resolve, reject, brought };
      this.#socket.write(message);
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
      const done = this.#take(exchange, bytes, at, end);
      at = end;
      if (!done) continue;
      this.#exchange = undefined;
      if (at < bytes.length) this.emit('data', bytes.subarray(at));
      return;
    }
    this.#keep(bytes.subarray(at));
  }

  /** Whether the exchange has come to its end. */
  #take({ brought, resolve, reject }: Exchange, bytes: Buffer, at: number, end: number): boolean {
    const payload = at + 5;
    switch (String.fromCharCode(bytes[at] as number)) {
      case 'D':
        if (brought.columns !== undefined) brought.rows.push(readRow(bytes, payload));
        return false;
      case 'T':
        if (brought.ofFlight) brought.columns = readColumns(bytes, payload);
        return false;
      case '1':
        brought.parsed++;
        return false;
      case 'C':
        brought.complete(bytes.toString('latin1', payload, end - 1));
        return false;
      case 'I':
        brought.complete();
        return false;
      case 'A':
      case 'N':
      case 'S':
        this.emit('data', bytes.subarray(at, end)); // not of this exchange
        return false;
      case 'E':
        brought.error ??= errorOf(bytes.subarray(payload, end), brought);
        if (!/^(FATAL|PANIC)$/.test(brought.error.severity)) return false;
        reject(brought.error); // nothing comes behind it
        return true;
      case 'G':
      case 'H':
      case 'W':
        resolve('copy');
        return true;
      case 'Z': // ready for the next query
        if (brought.error === undefined) resolve('done');
        else reject(brought.error);
        return true;
      default:
        return false;
    }
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
  S: 'severity', // in the language of the server; a pooler sends nothing else
  V: 'severity', // behind it, and the same in every language
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

function errorOf(payload: Buffer, { ofFlight, completed }: Brought): PostgresError {
  const fields: ServerErrorFields = { message: '', code: '' };
  for (const field of payload.toString('utf8').split('\0')) {
    const name = fieldNames[field[0] ?? ''];
    if (name !== undefined) fields[name] = field.slice(1);
  }
  return new PostgresError(fields, ofFlight ? undefined : completed);
}
