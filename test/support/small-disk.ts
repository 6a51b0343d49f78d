// Owns a disk that is really small, so that it can really be full: a tmpfs, which only root may mount. Unmounted in any case, also
// by the next run where this one was killed.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { serverAccount } from '../../platform/embedded-postgres/account.ts';

/** Of a test folder (clusters.ts), where the next run looks for it. */
export const diskName = 'disk';

export type SmallDisk = { readonly folder: string; grow(mebibytes: number): void; unmount(): void };

/** Undefined where the machine refuses: not root, or a container that may not mount. */
export function mountSmallDisk(testFolder: string, mebibytes: number): SmallDisk | undefined {
  const folder = path.join(testFolder, diskName);
  fs.mkdirSync(folder);
  if (process.platform !== 'linux' || !ran('mount', '-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', folder)) {
    fs.rmdirSync(folder);
    return undefined;
  }
  const account = serverAccount();
  if (account !== undefined) fs.chownSync(folder, account.uid, account.gid);
  return {
    folder,
    grow(to) {
      if (!ran('mount', '-o', `remount,size=${to}m`, folder)) throw new Error('the disk could not be made larger');
    },
    unmount() {
      if (!unmountDisk(folder)) throw new Error(`${folder} could not be unmounted`);
    },
  };
}

/** Also while somebody still has a file of it open. */
export function unmountDisk(folder: string): boolean {
  return ran('umount', folder) || ran('umount', '-l', folder);
}

function ran(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}
