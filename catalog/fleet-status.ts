// Owns where the whole fleet stands: versions by cluster for each lane, the rollouts at work, who is in quarantine and why, what
// the sweeps for drift have found. One query, whatever the number of tenants: its answer has a row for each version and cluster.
import { sql } from 'kysely';
import { compareVersions } from './lane-versions.ts';
import type { CatalogDb } from './open-catalog.ts';
import type { MemberError, MemberState, RolloutState } from './rollout-policy.ts';

export type LaneStanding = {
  lane: string;
  /** Null where nothing was released yet. */
  head: { release_id: string; name: string; version: string; hash: string } | null;
  tenants: number;
  warm: number;
  /** Not at the head: before it, beyond it, or at files that no release has. */
  off_head: number;
  /** The newest first; null: nothing of the lane is there. */
  versions: VersionStanding[];
};
export type VersionStanding = {
  version: string | null;
  hash: string | null;
  /** Null where no release has exactly these files: part of the way, or changed by hand. */
  release: string | null;
  is_head: boolean;
  tenants: number;
  warm: number;
  clusters: { cluster: string; tenants: number; warm: number }[];
};
export type RolloutStanding = {
  id: string;
  kind: string;
  lane: string;
  release: string | null;
  state: RolloutState;
  members: Partial<Record<MemberState, number>>;
  /** Waiting members whose tenant was asked for at a runtime. */
  requested: number;
  wave: { position: number; name: string; state: string } | null;
  created_at: string;
};
export type QuarantinedMember = {
  rollout_id: string;
  lane: string;
  state: 'failed' | 'skipped';
  database_id: string;
  tenant_id: string | null;
  slug: string | null;
  cluster: string;
  error: MemberError | null;
  skip_reason: string | null;
};
export type DriftStanding = {
  tenants: number;
  checked: number;
  drifted: number;
  adopted: number;
  oldest_check_at: string | null;
};
export type FleetStatus = {
  lanes: LaneStanding[];
  rollouts: RolloutStanding[];
  quarantined: { total: number; members: QuarantinedMember[] };
  drift: DriftStanding;
};

type StandingRow = Pick<VersionStanding, 'version' | 'hash' | 'release' | 'tenants' | 'warm'> & {
  lane: string;
  cluster: string;
};
type Row = {
  heads: (NonNullable<LaneStanding['head']> & { lane: string })[];
  standings: StandingRow[];
  rollouts: RolloutStanding[];
  quarantined: FleetStatus['quarantined'];
  drift: DriftStanding;
};

export async function readFleetStatus(db: CatalogDb): Promise<FleetStatus> {
  const { rows } = await sql<Row>`
    with heads as (
      select h.lane, r.id as release_id, r.name, r.version, r.hash from lane_heads h join releases r on r.id = h.release_id
    ), standings as (
      select l.lane, d.lanes -> l.lane ->> 'version' as version, d.lanes -> l.lane ->> 'hash' as hash, c.name as cluster,
        count(*) filter (where d.state = 'claimed')::integer as tenants, count(*) filter (where d.state = 'warm')::integer as warm
      from databases d join clusters c on c.id = d.cluster_id cross join (select distinct lane from releases) l
      where d.state in ('claimed', 'warm') group by 1, 2, 3, 4
    ), latest as (
      select distinct on (lane) id, lane from rollouts where kind <> 'exec' order by lane, created_at desc
    ), aside as (
      select m.rollout_id, r.lane, m.state, m.database_id, m.tenant_id, t.slug, c.name as cluster, m.error, m.skip_reason
      from latest r join rollout_members m on m.rollout_id = r.id and m.state in ('failed', 'skipped')
      join clusters c on c.id = m.cluster_id left join tenants t on t.id = m.tenant_id
    ), open_rollouts as (
      select r.id, r.kind, r.lane, e.name as release, r.state, r.created_at, (
          select coalesce(json_object_agg(s.state, s.count), '{}') from (
            select state, count(*)::integer from rollout_members where rollout_id = r.id group by state) s) as members,
        (select count(*)::integer from rollout_members where rollout_id = r.id and state = 'pending' and requested_at is not null) as requested,
        (select json_build_object('position', w.position, 'name', w.name, 'state', w.state) from rollout_waves w
          where w.rollout_id = r.id and w.state <> 'done' order by w.position limit 1) as wave
      from rollouts r left join releases e on e.id = r.release_id
      where r.state in ('awaiting-approval', 'running', 'paused', 'halted')
    )
    select (select coalesce(json_agg(h), '[]') from heads h) as heads,
      (select coalesce(json_agg(json_build_object('lane', s.lane, 'version', s.version, 'hash', s.hash, 'cluster', s.cluster,
          'tenants', s.tenants, 'warm', s.warm, 'release', (select name from releases r where r.lane = s.lane and r.hash = s.hash))
        order by s.cluster), '[]') from standings s) as standings,
      (select coalesce(json_agg(o order by o.created_at), '[]') from open_rollouts o) as rollouts,
      (select json_build_object('total', count(*), 'members', coalesce((
          select json_agg(a) from (select * from aside order by slug, database_id limit ${quarantinedMax}) a), '[]')) from aside) as quarantined,
      (select json_build_object('tenants', count(*), 'checked', count(s.database_id), 'drifted', count(*) filter (where s.drifted),
          'adopted', count(*) filter (where not s.drifted and s.adopted is not null), 'oldest_check_at', min(s.checked_at))
        from databases d left join schema_checks s on s.database_id = d.id where d.state = 'claimed') as drift`.execute(
    db,
  );
  const [row] = rows as [Row];
  const names = new Set([...row.heads, ...row.standings].map(({ lane }) => lane));
  return {
    lanes: [...names].sort(coreFirst).map((lane) => laneStanding(lane, row)),
    rollouts: row.rollouts,
    quarantined: row.quarantined,
    drift: row.drift,
  };
}

/** Named ones; the total is told beside them. */
const quarantinedMax = 200;

function coreFirst(a: string, b: string): number {
  return Number(b === 'core') - Number(a === 'core') || (a < b ? -1 : 1);
}

function laneStanding(lane: string, { heads, standings }: Row): LaneStanding {
  const head = heads.find((each) => each.lane === lane);
  const mine = standings.filter((each) => each.lane === lane);
  const versions = [...Map.groupBy(mine, ({ version, hash }) => `${version}/${hash}`).values()].map((rows) => {
    const { version, hash, release } = rows[0] as StandingRow;
    const clusters = rows.map(({ cluster, tenants, warm }) => ({ cluster, tenants, warm }));
    return { version, hash, release, is_head: hash !== null && hash === head?.hash, ...sums(clusters), clusters };
  });
  return {
    lane,
    head:
      head === undefined
        ? null
        : { release_id: head.release_id, name: head.name, version: head.version, hash: head.hash },
    ...sums(versions),
    off_head: versions.reduce((sum, each) => sum + (each.is_head ? 0 : each.tenants + each.warm), 0),
    versions: versions.sort((a, b) => compareVersions(b.version ?? '', a.version ?? '')),
  };
}

function sums(rows: readonly { tenants: number; warm: number }[]): { tenants: number; warm: number } {
  return {
    tenants: rows.reduce((sum, row) => sum + row.tenants, 0),
    warm: rows.reduce((sum, row) => sum + row.warm, 0),
  };
}
