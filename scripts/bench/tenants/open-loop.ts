// Owns a client that sends at a rate and does not wait for answers to send the next, in a process of its own, so that what it
// measures is not its neighbour's work. Requests that were given up are left out of the answers.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Asked, ask } from './ask.ts';

export type OpenLoop = {
  url: string;
  tokens: readonly string[];
  /** Over all tokens, which take turns. */
  perSecond: number;
  seconds: number;
  query: string;
  /** Hang up when the time is over instead of waiting for the answers. */
  leave: boolean;
};

const pollMs = 1;

export async function runOpenLoop(loop: OpenLoop): Promise<Asked[]> {
  const child = spawn(process.execPath, [import.meta.filename], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(JSON.stringify(loop));
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`a client of the bench ended with ${code}`);
  return JSON.parse(out) as Asked[];
}

async function send({ url, tokens, perSecond, seconds, query, leave }: OpenLoop): Promise<Asked[]> {
  const answers: Asked[] = [];
  const pending: Promise<unknown>[] = [];
  const leaving = new AbortController();
  const startedMs = performance.now();
  const total = perSecond * seconds;
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - startedMs) / 1_000) * perSecond));
    for (; sent < due; sent++) {
      const token = tokens[sent % tokens.length] as string;
      pending.push(
        ask(url, token, query, leaving.signal).then(
          (answer) => answers.push(answer),
          () => {},
        ),
      );
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  if (leave) leaving.abort();
  await Promise.all(pending);
  return answers;
}

if (import.meta.main) {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part as Buffer);
  const answers = await send(JSON.parse(Buffer.concat(parts).toString()) as OpenLoop);
  process.stdout.write(JSON.stringify(answers), () => process.exit(0));
}
