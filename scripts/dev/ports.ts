// Owns the two ports of the embedded set-up before anything is started: a taken one is said at once, not after a minute.
import { setTimeout as sleep } from 'node:timers/promises';
import { isFree } from '../../platform/free-port.ts';

/** The processes of a `npm start` that was killed notice it and end within this, unless they have work in hand. */
const waitMs = 5_000;
const pollMs = 100;

/** @param ports name of the variable that sets it → port */
export async function untilPortsAreFree(ports: Readonly<Record<string, string>>, say: (line: string) => void) {
  for (const [variable, port] of Object.entries(ports)) {
    if (await mayListen(port)) continue;
    say(`Port ${port} is taken. Waiting ${waitMs / 1000} s, in case it is a Freehold that is just ending …`);
    const until = performance.now() + waitMs;
    while (!(await mayListen(port))) {
      if (performance.now() > until)
        throw new Error(`Port ${port} is taken by another program. Stop it, or choose another port with ${variable}.`);
      await sleep(pollMs);
    }
  }
}

/** What is no port at all is told by the process that is to listen there. */
async function mayListen(port: string): Promise<boolean> {
  return !/^\d{1,5}$/.test(port) || Number(port) > 65_535 || (await isFree('127.0.0.1', Number(port)));
}
