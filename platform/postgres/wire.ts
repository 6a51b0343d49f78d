// Owns what postgres.js sees of the socket. Two promises. It never learns that the connection has ended: its code for
// that case reconnects, and throws where nobody can catch it (CASES.md, V1); the session settles all outcomes itself.
// And messages of ours can be exchanged past it, which costs a third of a query through it.
import { EventEmitter } from 'node:events';
import type net from 'node:net';
import { PostgresError, type ServerErrorFields } from './errors.ts';

type Exchange = { resolve: () => void; reject: (error: PostgresError) => void; error: PostgresError | undefined };

export class Wire extends EventEmitter {
  readonly #socket: net.Socket;
  #exchange: Exchange | undefined;
  #rest: Buffer = Buffer.alloc(0);

  constructor(socket: net.Socket) {
    super();
    this.#socket = socket;
    socket.on('drain', () => this.emit('drain'));
  }

  /** To be called with all that the server sends. */
  receive(chunk: Buffer): void {
    if (this.#exchange === undefined) this.emit('data', chunk);
    else this.#read(this.#exchange, chunk);
  }

  /** Sends one simple query while no statement runs; its rows and tags are of no interest. @throws PostgresError */
  exchange(queryMessage: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#exchange = { resolve, reject, error: undefined };
      this.#socket.write(queryMessage);
    });
  }

  #read(exchange: Exchange, chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (bytes.length - at >= 5) {
      const end = at + 1 + bytes.readUInt32BE(at + 1);
      if (end > bytes.length) break;
      const type = bytes[at];
      if (type === 0x45) exchange.error ??= new PostgresError(errorFields(bytes.subarray(at + 5, end)));
      at = end;
      if (type !== 0x5a) continue; // Z, ready for the next query
      this.#exchange = undefined;
      this.#rest = Buffer.alloc(0);
      if (at < bytes.length) this.emit('data', bytes.subarray(at));
      if (exchange.error === undefined) exchange.resolve();
      else exchange.reject(exchange.error);
      return;
    }
    this.#rest = bytes.subarray(at);
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

function errorFields(payload: Buffer): ServerErrorFields {
  const fields: Record<string, string> = {};
  for (const field of payload.toString('utf8').split('\0'))
    if (field !== '') fields[field[0] as string] = field.slice(1);
  return { message: fields.M ?? '', code: fields.C ?? '', severity: fields.V, detail: fields.D, hint: fields.H };
}
