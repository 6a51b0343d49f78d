-- What the door to rollouts needs: a request that begins one may be repeated, and versions compare as the lane orders them.
-- Up Migration

alter table idempotency_keys add column rollout_id text;

-- catalog/lane-versions.ts in SQL: 17 digits that are a moment in UTC count as its epoch in milliseconds, all else as a number.
create function version_order(version text) returns numeric language sql immutable strict parallel safe as $$
  select case
    when version ~ '^(?!0000)\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])[0-5]\d[0-5]\d\d{3}$' then
      -- A 30th of February is the 2nd of March, as JavaScript reads it.
      (make_date(substr(version, 1, 4)::integer, substr(version, 5, 2)::integer, 1) - date '1970-01-01'
        + substr(version, 7, 2)::integer - 1) * 86400000::numeric
      + substr(version, 9, 2)::numeric * 3600000 + substr(version, 11, 2)::numeric * 60000 + substr(version, 13, 5)::numeric
    else version::numeric
  end
$$;

-- Down Migration
-- The book of record is not taken down: restore a backup instead.
