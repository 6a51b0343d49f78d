-- Up Migration
create table invoices (
  id bigint generated always as identity primary key,
  customer_id bigint not null references customers,
  number text not null unique,
  currency char(3) not null default 'EUR' check (currency = upper(currency)),
  issued_on date not null default current_date,
  due_on date not null,
  paid_at timestamptz,
  meta jsonb not null default '{}',
  check (due_on >= issued_on)
);
create index invoices_by_customer on invoices (customer_id, issued_on desc);
create index invoices_unpaid on invoices (due_on) where paid_at is null;

create table invoice_lines (
  invoice_id bigint not null references invoices on delete cascade,
  position smallint not null check (position > 0),
  project_id bigint references projects,
  description text not null,
  quantity numeric(12, 3) not null check (quantity > 0),
  unit_cents bigint not null,
  primary key (invoice_id, position)
);

create view project_progress as
select
  p.id as project_id,
  p.code,
  p.name,
  count(t.id) as tasks,
  count(t.id) filter (where t.status = 'done') as tasks_done,
  coalesce(sum(t.estimate_minutes), 0) as estimated_minutes,
  coalesce((select sum(e.minutes) from time_entries e join tasks x on x.id = e.task_id where x.project_id = p.id), 0) as worked_minutes
from projects p
left join tasks t on t.project_id = p.id
group by p.id;

create view invoice_totals as
select i.id as invoice_id, i.number, i.customer_id, i.currency, sum(round(l.quantity * l.unit_cents))::bigint as total_cents, i.paid_at
from invoices i
join invoice_lines l on l.invoice_id = i.id
group by i.id;

-- The next number of a task within its project; the row lock on the project keeps two writers apart.
create function next_task_number(project bigint) returns integer language plpgsql as $$
begin
  perform 1 from projects where id = project for update;
  return (select coalesce(max(number), 0) + 1 from tasks where project_id = project);
end $$;

-- Down Migration
drop function next_task_number(bigint);
drop view invoice_totals;
drop view project_progress;
drop table invoice_lines;
drop table invoices;
