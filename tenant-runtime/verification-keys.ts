// Owns the public keys that runtime tokens are verified with. They are in memory before the first request and are never
// fetched on the request path (J14). refresh() is called by NOTIFY, by age and at start; a key that is gone, changed or
// past its retirement also takes the cached tokens that it signed with it (J13).
import type { VerificationKeysView } from '../catalog/schema.ts';
import type { Clock } from '../platform/clock.ts';
import { createKeySet, type KeySet, type TrustedKeySpec } from '../platform/jwt.ts';
import type { Log } from '../platform/log.ts';
import type { VerifiedTokenCache } from '../platform/verified-token-cache.ts';

export type TrustedKeys = { keySet: KeySet; issuers: readonly string[] };

export interface VerificationKeys {
  current(): TrustedKeys;
  /** False when the catalog is away: the known keys stay, without those whose time is over. */
  refresh(): Promise<boolean>;
  /** Keys of a snapshot. */
  restore(views: readonly VerificationKeysView[], ageMs: number): Promise<void>;
  views(): readonly VerificationKeysView[];
  stats(): { keys: number; ageMs: number; changes: number };
}

export type VerificationKeysDeps = {
  list(): Promise<VerificationKeysView[]>;
  /** Undefined: every issuer of which the catalog publishes a key. */
  issuers: readonly string[] | undefined;
  tokens: VerifiedTokenCache;
  clock: Clock;
  log: Log;
};

export function createVerificationKeys(deps: VerificationKeysDeps): VerificationKeys {
  const { tokens, clock, log } = deps;
  let published: readonly VerificationKeysView[] = [];
  let trusted = new Map<string, TrustedKeySpec>();
  let now: TrustedKeys = { keySet: { size: 0, find: () => undefined }, issuers: [] };
  let confirmedAtMs = Number.NEGATIVE_INFINITY;
  let changes = 0;
  let turn: Promise<unknown> = Promise.resolve();

  const apply = async (views: readonly VerificationKeysView[]): Promise<void> => {
    published = views;
    const next = new Map<string, TrustedKeySpec>();
    for (const spec of views.filter((view) => isTrusted(view)).map(specOf)) {
      if (await isUsable(spec)) next.set(`${spec.kid} ${spec.issuer}`, spec);
    }
    if (sameKeys(trusted, next)) return;
    const specs = [...next.values()];
    now = { keySet: await createKeySet(specs), issuers: [...new Set(specs.map((spec) => spec.issuer))] };
    for (const [name, spec] of trusted) {
      if (JSON.stringify(next.get(name)) !== JSON.stringify(spec)) tokens.retireKey(spec.issuer, spec.kid);
    }
    trusted = next;
    changes++;
    log.info({ keys: specs.map((spec) => spec.kid) }, 'verification keys changed');
  };

  const isTrusted = (view: VerificationKeysView): boolean =>
    (deps.issuers === undefined || deps.issuers.includes(view.issuer)) &&
    (view.retires_at === null || new Date(view.retires_at) > clock.now());

  /** One key that cannot be used (an external issuer's, entered wrongly) must not take the others with it. */
  const isUsable = async (spec: TrustedKeySpec): Promise<boolean> => {
    try {
      await createKeySet([spec]);
      return true;
    } catch (err) {
      log.error({ err, kid: spec.kid, issuer: spec.issuer }, 'a verification key cannot be used and is left out');
      return false;
    }
  };

  const refresh = async (): Promise<boolean> => {
    const startedMs = clock.monotonicMs();
    try {
      const views = await deps.list();
      await apply(views);
      confirmedAtMs = startedMs;
      return true;
    } catch (err) {
      log.debug({ err }, 'verification keys could not be read');
      await apply(published);
      return false;
    }
  };

  return {
    current: () => now,
    refresh() {
      // In turn: a slow older read must not overwrite what a newer one has found.
      const mine = turn.then(refresh);
      turn = mine.catch(() => {});
      return mine;
    },
    async restore(views, ageMs) {
      await apply(views);
      confirmedAtMs = clock.monotonicMs() - ageMs;
    },
    views: () => published,
    stats: () => ({
      keys: trusted.size,
      ageMs: Number.isFinite(confirmedAtMs) ? clock.monotonicMs() - confirmedAtMs : 0,
      changes,
    }),
  };
}

function specOf(view: VerificationKeysView): TrustedKeySpec {
  return { kid: view.kid, issuer: view.issuer, alg: view.alg, jwk: view.public_jwk };
}

function sameKeys(a: Map<string, TrustedKeySpec>, b: Map<string, TrustedKeySpec>): boolean {
  return JSON.stringify([...a].sort(byName)) === JSON.stringify([...b].sort(byName));
}

function byName(a: [string, unknown], b: [string, unknown]): number {
  return a[0] < b[0] ? -1 : 1;
}
