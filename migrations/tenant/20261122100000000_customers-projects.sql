-- Up Migration
create table customers (
  id bigint generated always as identity primary key,
  name text not null check (length(name) between 1 and 200),
  email text not null check (email like '%_@_%'),
  country char(2) not null check (country = upper(country)),
  created_at timestamptz not null default now(),
  archived_at timestamptz
);
create unique index customers_email on customers (lower(email)) where archived_at is null;

create table members (
  id bigint generated always as identity primary key,
  display_name text not null,
  email text not null,
  role text not null default 'member' check (role in ('member', 'lead', 'admin')),
  created_at timestamptz not null default now()
);
create unique index members_email on members (lower(email));

create table projects (
  id bigint generated always as identity primary key,
  customer_id bigint not null references customers,
  lead_id bigint references members on delete set null,
  code text not null unique check (code ~ '^[A-Z]{2,8}$'),
  name text not null,
  status text not null default 'active' check (status in ('active', 'on_hold', 'done')),
  budget_cents bigint check (budget_cents >= 0),
  starts_on date not null default current_date,
  ends_on date,
  check (ends_on is null or ends_on >= starts_on)
);
create index projects_by_customer on projects (customer_id);

-- Down Migration
drop table projects;
drop table members;
drop table customers;
