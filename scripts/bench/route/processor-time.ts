// Owns how much processor time a process, or all that it has started, has used: hardly changed by other load on the machine.
// Known where the system tells it as files (Linux); elsewhere undefined.
import fs from 'node:fs';

/** Linux counts processor time in hundredths of a second. */
const tickMs = 10;

export function cpuMsOf(pid: number): number | undefined {
  return statOf(pid)?.cpuMs;
}

/** Of a PostgreSQL server: its sessions are its children. Process → milliseconds; empty where the system does not tell. */
export function childrenCpuMsOf(parent: number): Map<number, number> {
  const times = new Map<number, number>();
  if (!fs.existsSync('/proc')) return times;
  for (const name of fs.readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? statOf(Number(name)) : undefined;
    if (stat?.parent === parent) times.set(Number(name), stat.cpuMs);
  }
  return times;
}

/** What those have used who are there at the end; undefined where the system does not tell. */
export function cpuMsBetween(before: Map<number, number>, after: Map<number, number>): number | undefined {
  if (after.size === 0) return undefined;
  let sum = 0;
  for (const [pid, ms] of after) sum += ms - (before.get(pid) ?? 0);
  return sum;
}

function statOf(pid: number): { parent: number; cpuMs: number } | undefined {
  let text: string;
  try {
    text = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // another system, or it has ended
  }
  const fields = text.slice(text.lastIndexOf(') ') + 2).split(' ');
  return { parent: Number(fields[1]), cpuMs: (Number(fields[11]) + Number(fields[12])) * tickMs }; // utime and stime
}
