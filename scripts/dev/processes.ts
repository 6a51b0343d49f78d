// Owns the child processes of the embedded set-up: started with the bundled Node, their lines prefixed, ended by SIGTERM.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { styleText } from 'node:util';

export type DevProcess = { readonly name: string; readonly exited: Promise<number | null>; stop(): Promise<void> };

export function startDevProcess(
  name: string,
  file: string,
  env: Record<string, string>,
  onLine: (line: string) => void,
): DevProcess {
  // A group of its own: Ctrl-C reaches us alone, and we end the children in order.
  const child = spawn(process.execPath, [file], {
    env: { ...baseEnvironment(), ...env },
    // By the channel it notices that we are gone, also by SIGKILL, and ends: it must not keep the port for ever.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: true,
  });
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on('line', (line) => onLine(`${styleText('dim', name.padEnd(14))} ${line}`));
  }
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { name, exited, stop: () => endProcess(child, exited) };
}

const readyMaxMs = 60_000;

/** Resolves when the URL answers 2xx; rejects when the process ends first, the time is over or a stop was asked for. */
export async function whenReady(url: string, child: DevProcess, stopping?: AbortSignal): Promise<void> {
  const until = performance.now() + readyMaxMs;
  let ended: number | null | undefined;
  void child.exited.then((code) => {
    ended = code;
  });
  while (performance.now() < until) {
    stopping?.throwIfAborted();
    if (ended !== undefined)
      throw new Error(`${child.name} ended with code ${ended} before it was ready; its lines above say why`);
    const ok = await fetch(url).then(
      (answer) => answer.ok,
      () => false,
    );
    if (ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${child.name} was not ready after ${readyMaxMs / 1000} s: ${url}`);
}

async function endProcess(child: ChildProcess, exited: Promise<number | null>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  // The processes force themselves out after their grace of 15 s; this is for one that cannot even do that.
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await exited;
  clearTimeout(timer);
}

/** What a child needs from our environment, without any FREEHOLD_ variable of the caller's. */
function baseEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([name, value]) => value !== undefined && !name.startsWith('FREEHOLD_'),
  );
  return Object.fromEntries(kept) as Record<string, string>;
}
