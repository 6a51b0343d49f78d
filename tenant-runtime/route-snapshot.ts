// Owns the last known routes and keys on disk, for a start while the catalog is away (R05). The file is sealed with the
// sealing keys: who has only the disk can neither read it (it holds addresses and sealed credentials) nor make one that is
// believed. It is replaced in one step, so a crash leaves the old one or the new one.
import { open, readFile, rename, unlink } from 'node:fs/promises';
import type { RouteRow } from '../catalog/routes.ts';
import type { VerificationKeysView } from '../catalog/schema.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Sealer } from '../platform/sealing.ts';

export type Snapshot = { routes: RouteRow[]; keys: readonly VerificationKeysView[] };

export interface RouteSnapshot {
  /** Undefined, with a line in the log, when there is none or it is not ours. */
  read(): Promise<(Snapshot & { ageMs: number }) | undefined>;
  /** Never throws: a full disk must not stop the service of tenants. */
  write(snapshot: Snapshot): Promise<void>;
}

export type RouteSnapshotDeps = { file: string; sealer: Sealer; clock: Clock; log: Log };

/** Bound into the seal: a file of another version, or another sealed text, does not open. */
const context = 'runtime/route-snapshot/v1';

export function createRouteSnapshot({ file, sealer, clock, log }: RouteSnapshotDeps): RouteSnapshot {
  return {
    async read() {
      try {
        const text = await readFile(file, 'utf8');
        const { savedAt, ...snapshot } = JSON.parse(sealer.open(text, context)) as Snapshot & { savedAt: string };
        return { ...snapshot, ageMs: Math.max(0, clock.now().getTime() - Date.parse(savedAt)) };
      } catch (err) {
        if ((err as NodeJS.ErrnoException).code === 'ENOENT') log.info({ file }, 'there is no route snapshot yet');
        else log.error({ err, file }, 'the route snapshot cannot be used');
        return undefined;
      }
    },
    async write(snapshot) {
      const draft = `${file}.${process.pid}.new`;
      try {
        const text = sealer.seal(JSON.stringify({ savedAt: clock.now().toISOString(), ...snapshot }), context);
        const handle = await open(draft, 'w', 0o600);
        try {
          await handle.writeFile(text);
          await handle.sync();
        } finally {
          await handle.close();
        }
        await rename(draft, file);
      } catch (err) {
        log.error({ err, file }, 'the route snapshot could not be written');
        await unlink(draft).catch(() => {});
      }
    },
  };
}
