-- The connection budget of each cluster, divided among the processes that open sessions there.
-- Up Migration

-- What each process may have open. The sum of `granted` over a cluster never exceeds its budget, unless the budget was lowered;
-- then nobody grows until it fits.
create table connection_shares (
  cluster_id text not null references clusters,
  -- A runtime instance (rti_…) or a control-plane process (cpp_…).
  holder_id text not null check (holder_id ~ '^(rti|cpp)_[0-7][0-9A-HJKMNP-TV-Z]{25}$'),
  host text not null,
  pid integer not null,
  granted integer not null check (granted >= 0),
  -- As last reported: sessions that are open; those it has work for now; those it would keep rather than log in again;
  -- the most it is configured for.
  open integer not null check (open >= 0),
  needed integer not null check (needed >= 0),
  kept integer not null check (kept >= 0),
  most integer not null check (most >= 0),
  -- A report that arrives after a later one changes nothing.
  report bigint not null,
  -- By this server's clock alone. A share outlives it until the cluster shows no session of its holder.
  lease_ms integer not null,
  lease_until timestamptz not null,
  taken_at timestamptz not null default now(),
  primary key (cluster_id, holder_id)
);

-- Max-min fairness: what each of `wants` gets of `total`, nobody more than it wants, the smallest wants first.
create function fair_shares(wants integer[], total integer) returns integer[]
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  shares integer[] := array_fill(0, array[coalesce(cardinality(wants), 0)]);
  remaining integer := greatest(total, 0);
  left_over integer := coalesce(cardinality(wants), 0);
  place integer;
begin
  for place in select i from generate_subscripts(wants, 1) i order by wants[i], i loop
    shares[place] := least(wants[place], remaining / left_over);
    remaining := remaining - shares[place];
    left_over := left_over - 1;
  end loop;
  return shares;
end $$;

-- One report of one process about one cluster, and what it may have open from now on. `ceiling` is the most it can have open
-- until it hears the answer, and it keeps to that: so a share that shrinks is free for others only when it was given back.
create function take_share(
  in_cluster text, of_holder text, on_host text, with_pid integer, nr bigint,
  ceiling integer, now_open integer, need integer, keep integer, at_most integer, lease integer
) returns table (cluster_id text, may_open integer, budget integer)
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
  total integer;
  taken integer;
  holders text[];
  needs integer[];
  keeps integer[];
  mosts integer[];
  me integer;
  mine integer;
  fair integer[];
  rest integer[];
  spare integer;
  -- Kept free for a process that starts, so that it can serve before the others have shrunk.
  newcomer integer;
  room integer;
begin
  select c.connection_budget into total from clusters c where c.id = in_cluster;
  if not found then return; end if;
  perform pg_advisory_xact_lock(hashtextextended('freehold connection shares ' || in_cluster, 0));
  insert into connection_shares as s (cluster_id, holder_id, host, pid, granted, open, needed, kept, most, report, lease_ms, lease_until)
  values (in_cluster, of_holder, on_host, with_pid, ceiling, now_open, need, keep, at_most, nr, lease, now() + lease * interval '1 millisecond')
  on conflict on constraint connection_shares_pkey do update set granted = excluded.granted, open = excluded.open,
    needed = excluded.needed, kept = excluded.kept, most = excluded.most, report = excluded.report, lease_ms = excluded.lease_ms,
    lease_until = excluded.lease_until
    where s.report < excluded.report;
  if not found then return; end if;

  select coalesce(sum(s.granted), 0) into taken from connection_shares s where s.cluster_id = in_cluster;
  select array_agg(s.holder_id order by s.holder_id), array_agg(least(s.needed, s.most) order by s.holder_id),
    array_agg(greatest(least(s.kept, s.most) - least(s.needed, s.most), 0) order by s.holder_id), array_agg(s.most order by s.holder_id)
  into holders, needs, keeps, mosts
  from connection_shares s where s.cluster_id = in_cluster and s.lease_until > now();
  me := array_position(holders, of_holder);
  newcomer := least(4, total / (cardinality(holders) + 1));
  -- What silent processes hold is theirs until somebody has seen that they are gone.
  mine := total - newcomer - coalesce((select sum(s.granted) from connection_shares s
    where s.cluster_id = in_cluster and s.lease_until <= now()), 0);
  -- Work first, then what is worth keeping; of what nobody asked for, half is given for the time when nobody can be asked.
  fair := fair_shares(needs, mine);
  rest := fair_shares(keeps, mine - (select sum(f) from unnest(fair) f)::integer);
  spare := greatest(mine - (select sum(f) from unnest(fair || rest) f)::integer, 0) / (2 * cardinality(holders));
  mine := least(greatest(fair[me] + rest[me] + spare, least(1, newcomer)), at_most);
  if mine > ceiling then
    room := total - taken;
    mine := greatest(ceiling, least(mine, ceiling + room - newcomer), least(mine, newcomer, ceiling + room));
    update connection_shares s set granted = mine where s.cluster_id = in_cluster and s.holder_id = of_holder;
  end if;
  return query select in_cluster, mine, total;
end $$;

-- Every cluster at once, in one order so that two reports cannot block each other.
create function take_shares(of_holder text, on_host text, with_pid integer, nr bigint, lease_ms integer, reports jsonb)
returns table (cluster_id text, may_open integer, budget integer)
language sql set search_path = pg_catalog, public, pg_temp as $$
  select t.* from (
    select * from jsonb_to_recordset(reports) as r (cluster_id text, ceiling integer, open integer, need integer, keep integer, most integer)
    order by cluster_id
  ) r, take_share(r.cluster_id, of_holder, on_host, with_pid, nr, r.ceiling, r.open, r.need, r.keep, r.most,
    lease_ms) t
$$;

create function runtime.take_shares(instance_id text, host text, pid integer, nr bigint, lease_ms integer, reports jsonb)
returns table (cluster_id text, may_open integer, budget integer)
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  if instance_id !~ '^rti_' or lease_ms not between 1000 and 600000 then
    raise exception using errcode = '22023', message = 'not a report of a runtime';
  end if;
  return query select * from public.take_shares(instance_id, host, pid, nr, lease_ms, reports);
end $$;

-- A process that ends in order gives everything back at once.
create function runtime.give_back_shares(instance_id text) returns void
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
  delete from public.connection_shares s where s.holder_id = instance_id and instance_id ~ '^rti_'
$$;

revoke all on function fair_shares(integer[], integer),
  take_share(text, text, text, integer, bigint, integer, integer, integer, integer, integer, integer),
  take_shares(text, text, integer, bigint, integer, jsonb),
  runtime.take_shares(text, text, integer, bigint, integer, jsonb), runtime.give_back_shares(text) from public;
grant execute on function runtime.take_shares(text, text, integer, bigint, integer, jsonb), runtime.give_back_shares(text)
  to freehold_runtime;

-- Down Migration
-- The book of record is not taken down: restore a backup instead.
