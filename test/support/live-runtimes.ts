// Owns the runtimes that serve at the moment in a long proof: one that is killed or replaced is followed by a new process, and who
// asks picks one of those that are there. What the ended ones did is kept as a sum.
import { type InsideView, type Inspector, inspectable, inspectProcess } from './inspect-process.ts';
import type { ProcessHouse } from './process-house.ts';
import type { Environment, ServerProcess } from './processes.ts';

export type LiveRuntimes = {
  /** Any of those that serve. */
  any(): ServerProcess;
  /** kill −9, under whoever is being answered; then a new one. */
  kill(): Promise<void>;
  /** As a deploy does it: the new one is ready, then the old one gets SIGTERM. Throws where it does not end with code 0. */
  deploy(): Promise<void>;
  /** What all of them hold, each after a full garbage collection. */
  look(): Promise<InsideView>;
  /** What a counter or gauge of the metrics page says, all of them together; ended ones are in it as they were when last seen. */
  metric(name: string): Promise<number>;
};

export async function startLiveRuntimes(house: ProcessHouse, count: number, env: Environment): Promise<LiveRuntimes> {
  const live: ServerProcess[] = [];
  const inspectors = new Map<ServerProcess, Inspector>();
  const ended = new Map<string, number>();
  const add = async () => {
    const runtime = await house.startRuntime({ ...env, ...inspectable });
    inspectors.set(runtime, await inspectProcess(runtime));
    live.push(runtime);
  };
  const remove = (runtime: ServerProcess) => {
    live.splice(live.indexOf(runtime), 1);
    inspectors.get(runtime)?.close();
    inspectors.delete(runtime);
  };
  const remember = async (runtime: ServerProcess) => {
    for (const [name, value] of await countersOf(runtime)) ended.set(name, (ended.get(name) ?? 0) + value);
  };
  const any = () => live[Math.floor(Math.random() * live.length)] as ServerProcess;
  await Promise.all(Array.from({ length: count }, add));
  return {
    any,
    async kill() {
      const victim = any();
      await remember(victim);
      await victim.kill();
      remove(victim);
      await add();
    },
    async deploy() {
      const old = live[0] as ServerProcess;
      await add();
      live.shift();
      await remember(old);
      inspectors.get(old)?.close();
      inspectors.delete(old);
      const { code, signal } = await old.stop();
      if (code !== 0) throw new Error(`a runtime that was told to stop ended with ${code ?? signal}:\n${old.output()}`);
    },
    async look() {
      const views = await Promise.all([...inspectors.values()].map((each) => each.look()));
      const sum = { heapMib: 0, externalMib: 0, rssMib: 0, files: 0, sockets: 0, handles: 0 };
      for (const view of views) for (const name of keysOf(sum)) sum[name] += view[name];
      return sum;
    },
    async metric(name) {
      const pages = await Promise.all(live.map(countersOf));
      return pages.reduce((sum, page) => sum + (page.get(name) ?? 0), ended.get(name) ?? 0);
    },
  };
}

async function countersOf({ metricsUrl }: ServerProcess): Promise<Map<string, number>> {
  const page = await (await fetch(metricsUrl)).text();
  return new Map(
    page
      .split('\n')
      .filter((line) => line.startsWith('freehold_'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}

function keysOf<T extends object>(value: T): (keyof T)[] {
  return Object.keys(value) as (keyof T)[];
}
