#!/bin/sh
# Makes the login that the runtimes use. The group freehold_runtime gets its rights from the catalog's migrations.
set -eu
psql -v ON_ERROR_STOP=1 -U postgres -d postgres -v password="$RUNTIME_PASSWORD" <<'SQL'
create role freehold_runtime nologin;
create role freehold_runtime_login login password :'password' in role freehold_runtime;
revoke connect, temporary on database freehold_catalog, postgres, template1 from public;
grant connect on database freehold_catalog to freehold_runtime;
SQL
