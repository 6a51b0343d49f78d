// Owns walking over the text of one parameter: names, quoted text, punctuation. Promises that it only goes forward, so a parser
// built on it ends, and that what does not fit is PGRST100 with the place.
import { RestError } from './rest-error.ts';

/** Nesting in select and in and/or. PostgreSQL's own stack takes far more; nobody writes as much. */
const depthMax = 20;

export class Scanner {
  readonly #text: string;
  readonly #what: string;
  #at = 0;
  #depth = 0;

  constructor(text: string, what: string) {
    this.#text = text;
    this.#what = what;
  }

  get atEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  startsWith(text: string): boolean {
    return this.#text.startsWith(text, this.#at);
  }

  /** True, and behind it, where the text comes next. */
  eat(text: string): boolean {
    if (!this.startsWith(text)) return false;
    this.#at += text.length;
    return true;
  }

  need(text: string): void {
    if (!this.eat(text)) throw this.unexpected(`"${text}"`);
  }

  match(pattern: RegExp): string | undefined {
    const sticky = new RegExp(pattern, 'uy');
    sticky.lastIndex = this.#at;
    const found = sticky.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  rest(): string {
    const rest = this.#text.slice(this.#at);
    this.#at = this.#text.length;
    return rest;
  }

  /** A bare or quoted name of a column, a table, an alias. */
  name(): string {
    const quoted = this.startsWith('"') ? this.quotedText() : undefined;
    if (quoted === '') throw this.unexpected('a name');
    if (quoted !== undefined) return quoted;
    const found = this.match(/[\p{L}\p{N}_$ ]+(?:-(?!>)[\p{L}\p{N}_$ ]+)*/u)?.trim();
    if (found === undefined || found === '') throw this.unexpected('a name');
    return found;
  }

  /** In double quotes; a backslash takes the next character as it is. */
  quotedText(): string {
    const found = this.match(/"(?:[^"\\]|\\[\s\S])*"/);
    if (found === undefined) throw this.unexpected('a closing quote');
    return found.slice(1, -1).replace(/\\([\s\S])/g, '$1');
  }

  nested<T>(parse: () => T): T {
    if (++this.#depth > depthMax) throw this.unexpected(`at most ${depthMax} levels`);
    const result = parse();
    this.#depth--;
    return result;
  }

  end(): void {
    if (!this.atEnd) throw this.unexpected('the end');
  }

  unexpected(expected: string): RestError {
    const next = this.atEnd ? 'end of input' : `"${this.#text.slice(this.#at, this.#at + 20)}"`;
    return new RestError('PGRST100', `"failed to parse ${this.#what}" (line 1, column ${this.#at + 1})`, {
      details: `unexpected ${next} expecting ${expected}`,
    });
  }
}
