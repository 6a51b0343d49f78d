// Owns what a process holds, read from /proc: memory, open files, sockets. Linux only. For proofs that nothing grows.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export type VitalSigns = { rssMib: number; files: number; sockets: number };

export function vitalSignsOf(pid: number): VitalSigns {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const rssKib = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? Number.NaN);
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return ''; // closed meanwhile
    }
  });
  return {
    rssMib: Math.round(rssKib / 1024),
    files: links.filter((link) => link !== '').length,
    sockets: links.filter((link) => link.startsWith('socket:')).length,
  };
}
