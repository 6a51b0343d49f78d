-- Up Migration
create table tasks (
  id bigint generated always as identity primary key,
  project_id bigint not null references projects on delete cascade,
  assignee_id bigint references members on delete set null,
  number integer not null,
  title text not null check (length(title) between 1 and 300),
  body text not null default '',
  status text not null default 'open' check (status in ('open', 'doing', 'review', 'done')),
  priority smallint not null default 3 check (priority between 1 and 5),
  labels text[] not null default '{}',
  estimate_minutes integer check (estimate_minutes > 0),
  due_on date,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  done_at timestamptz,
  unique (project_id, number),
  check ((status = 'done') = (done_at is not null))
);
create index tasks_open_by_assignee on tasks (assignee_id, due_on) where status <> 'done';
create index tasks_by_label on tasks using gin (labels);
create index tasks_search on tasks using gin (to_tsvector('simple', title || ' ' || body));

-- Keeps updated_at and done_at true whoever writes the row.
create function tasks_stamp() returns trigger language plpgsql as $$
begin
  new.updated_at := now();
  if new.status = 'done' and new.done_at is null then new.done_at := now(); end if;
  if new.status <> 'done' then new.done_at := null; end if;
  return new;
end $$;
create trigger tasks_stamped before insert or update on tasks for each row execute function tasks_stamp();

create table comments (
  id bigint generated always as identity primary key,
  task_id bigint not null references tasks on delete cascade,
  author_id bigint not null references members,
  body text not null check (length(body) > 0),
  created_at timestamptz not null default now()
);
create index comments_by_task on comments (task_id, created_at);

create table time_entries (
  id bigint generated always as identity primary key,
  task_id bigint not null references tasks,
  member_id bigint not null references members,
  minutes integer not null check (minutes between 1 and 1440),
  worked_on date not null,
  note text,
  invoiced boolean not null default false
);
create index time_entries_by_task on time_entries (task_id);
create index time_entries_to_invoice on time_entries (worked_on) where not invoiced;

-- Down Migration
drop table time_entries;
drop table comments;
drop table tasks;
drop function tasks_stamp();
