// Owns how much processor time a process, or all that it has started, has used: hardly changed by other load on the machine.
// Known where the system tells it as files (Linux); elsewhere undefined.
import fs from 'node:fs';

/** Linux counts processor time in hundredths of a second. */
const tickMs = 10;

export function cpuMsOf(pid: number): number | undefined {
  return statOf(pid)?.cpuMs;
}

/** Of a PostgreSQL server: its sessions are its children. Only differences over a time in which none ended mean something. */
export function childrenCpuMsOf(parent: number): number | undefined {
  if (!fs.existsSync('/proc')) return undefined;
  let sum = 0;
  for (const name of fs.readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? statOf(Number(name)) : undefined;
    if (stat?.parent === parent) sum += stat.cpuMs;
  }
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
