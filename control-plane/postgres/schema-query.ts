// Owns what of a database counts as its schema, as one query: every object that a migration can make and everything that decides
// who may do what with it, each as kind (one word), object and definition. With search_path = pg_catalog every name comes out in full.
// Left out: comments, statistics targets, storage, and PostgreSQL's own objects, which the template guards (fsck looks at those).

const isMember = (catalog: string, oid: string) =>
  `exists (select from pg_depend e where e.classid = '${catalog}'::regclass and e.objid = ${oid} and e.deptype = 'e')`;

/** Rights of everybody but the owner, as GRANT writes them. */
const granted = (kind: string, source: string, object: string, acl: string, owner: string) =>
  `select '${kind}', ${object} || ' TO ' || case when a.grantee = 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(a.grantee)) end,
    string_agg(a.privilege_type || case when a.is_grantable then ' WITH GRANT OPTION' else '' end, ', ' order by a.privilege_type)
  from ${source}, aclexplode(${acl}) a where a.grantee <> ${owner} group by ${object}, a.grantee`;

/** Told by their names alone: few have them, and what they do stands in the functions they call. */
const named = (catalog: string) =>
  `select 'object', i.type || ' ' || i.identity, '' from ${catalog} o, pg_identify_object('${catalog}'::regclass, o.oid, 0) i
  where o.oid >= 16384 and not ${isMember(catalog, 'o.oid')}`;

export const schemaQuery = `with spaces as (
  select oid, quote_ident(nspname) as id, nspowner, coalesce(nspacl, acldefault('n', nspowner)) as acl
  from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema' and not ${isMember('pg_namespace', 'pg_namespace.oid')}
), rels as (
  select c.*, c.oid::regclass::text as id,
    case relkind when 'S' then 'SEQUENCE' when 'v' then 'VIEW' when 'm' then 'MATERIALIZED VIEW' when 'f' then 'FOREIGN TABLE' else 'TABLE' end as word,
    coalesce(relacl, acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner)) as acl
  from pg_class c where relnamespace in (select oid from spaces) and not ${isMember('pg_class', 'c.oid')}
), tables as (select * from rels where relkind in ('r', 'p', 'f')
), holders as (select * from rels where relkind in ('r', 'p', 'f', 'v', 'm', 'S')
), routines as (
  select p.*, p.oid::regprocedure::text as id, coalesce(proacl, acldefault('f', proowner)) as acl
  from pg_proc p where pronamespace in (select oid from spaces) and not ${isMember('pg_proc', 'p.oid')}
), types as (
  select t.*, t.oid::regtype::text as id, coalesce(typacl, acldefault('T', typowner)) as acl
  from pg_type t left join pg_class c on c.oid = typrelid
  where typnamespace in (select oid from spaces) and (typtype in ('d', 'e', 'r') or c.relkind = 'c') and not ${isMember('pg_type', 't.oid')}
)
select 'ledger' as kind, lane || ' ' || name as object, hash as definition from freehold.ledger where lane <> 'exec'
union all select 'schema', id, '' from spaces
union all select 'extension', 'EXTENSION ' || quote_ident(extname), 'version ' || extversion || ' in ' || extnamespace::regnamespace from pg_extension
union all select 'table', id, concat_ws(' ', case relkind when 'p' then 'partitioned by ' || pg_get_partkeydef(oid) when 'f' then 'foreign' end,
    case relpersistence when 'u' then 'unlogged' end, case when relrowsecurity then 'row security' end,
    case when relforcerowsecurity then 'forced' end, reloptions::text, case when relreplident <> 'd' then 'replica identity ' || relreplident::text end,
    (select 'of ' || string_agg(inhparent::regclass::text, ', ' order by inhseqno) from pg_inherits where inhrelid = tables.oid),
    pg_get_expr(relpartbound, oid)) from tables
union all select 'view', id, concat_ws(' ', reloptions::text, pg_get_viewdef(oid)) from rels where relkind in ('v', 'm')
union all select 'column', r.id || '.' || quote_ident(attname), concat_ws(' ', format_type(atttypid, atttypmod),
    (select 'collate ' || attcollation::regcollation from pg_type t where t.oid = atttypid and typcollation <> attcollation),
    case when attnotnull then 'not null' end, case attidentity when 'a' then 'identity always' when 'd' then 'identity' end,
    case when attgenerated <> '' then 'generated as' when atthasdef then 'default' end, pg_get_expr(adbin, adrelid))
  from rels r join pg_attribute a on attrelid = r.oid and attnum > 0 and not attisdropped
  left join pg_attrdef on adrelid = attrelid and adnum = attnum where relkind in ('r', 'p', 'f', 'c')
union all select 'constraint', coalesce(r.id, t.id) || '.' || quote_ident(conname), pg_get_constraintdef(k.oid)
  from pg_constraint k left join rels r on r.oid = conrelid left join types t on t.oid = contypid
  where contype in ('c', 'f', 'p', 'u', 'x') and coalesce(r.oid, t.oid) is not null
union all select 'index', r.id, pg_get_indexdef(indexrelid) || case when indisvalid and indisready then '' else ' [invalid]' end
  from pg_index join rels r on r.oid = indexrelid
  where not (indisvalid and indisready and exists (select from pg_constraint where conindid = indexrelid and contype in ('p', 'u', 'x')))
union all select 'sequence', r.id, concat_ws(' ', seqtypid::regtype, 'start', seqstart, 'by', seqincrement, 'from', seqmin, 'to', seqmax,
    case when seqcycle then 'cycle' end, (select 'owned by ' || refobjid::regclass || '.' || attname from pg_depend d
      join pg_attribute on attrelid = refobjid and attnum = refobjsubid where d.objid = r.oid and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i')))
  from pg_sequence join rels r on r.oid = seqrelid
union all select 'function', id, case when prokind = 'a' then (select concat_ws(' ', 'aggregate', aggtransfn, aggfinalfn, aggtranstype::regtype, agginitval)
    from pg_aggregate where aggfnoid = routines.oid) else pg_get_functiondef(oid) end from routines
union all select 'trigger', r.id || '.' || quote_ident(tgname), pg_get_triggerdef(g.oid) || case tgenabled when 'O' then '' else ' [' || tgenabled::text || ']' end
  from pg_trigger g join rels r on r.oid = tgrelid where not tgisinternal
union all select 'rule', r.id || '.' || quote_ident(rulename), pg_get_ruledef(w.oid) from pg_rewrite w join rels r on r.oid = ev_class where rulename <> '_RETURN'
union all select 'policy', r.id || '.' || quote_ident(polname), concat_ws(' ', case when polpermissive then 'permissive' else 'restrictive' end, polcmd,
    (select string_agg(case when role = 0 then 'public' else pg_get_userbyid(role) end, ', ' order by 1) from unnest(polroles) role),
    'using ' || pg_get_expr(polqual, polrelid), 'check ' || pg_get_expr(polwithcheck, polrelid)) from pg_policy join rels r on r.oid = polrelid
union all select 'type', id, case typtype
    when 'e' then 'enum ' || (select string_agg(quote_literal(enumlabel), ', ' order by enumsortorder) from pg_enum where enumtypid = types.oid)
    when 'd' then concat_ws(' ', 'domain', format_type(typbasetype, typtypmod), case when typnotnull then 'not null' end, 'default ' || typdefault)
    when 'r' then 'range of ' || (select rngsubtype::regtype from pg_range where rngtypid = types.oid) else 'composite' end from types
union all select 'statistics', stxnamespace::regnamespace || '.' || quote_ident(stxname), pg_get_statisticsobjdef(oid) from pg_statistic_ext
  where stxnamespace in (select oid from spaces)
union all select 'event-trigger', quote_ident(evtname), concat_ws(' ', evtevent, evtfoid::regproc, evtenabled, evttags::text) from pg_event_trigger
union all select 'publication', quote_ident(pubname), concat_ws(' ', puballtables, pubinsert, pubupdate, pubdelete, pubtruncate) from pg_publication
union all select 'foreign-server', quote_ident(srvname), concat_ws(' ', srvtype, srvversion) from pg_foreign_server
union all select 'language', quote_ident(lanname), '' from pg_language where oid >= 16384 and lanname <> 'plpgsql'
union all ${['pg_operator', 'pg_opclass', 'pg_opfamily', 'pg_cast', 'pg_collation', 'pg_conversion', 'pg_ts_config', 'pg_ts_dict', 'pg_foreign_data_wrapper'].map(named).join('\nunion all ')}
union all select 'owner', 'SCHEMA ' || id, pg_get_userbyid(nspowner) from spaces
union all select 'owner', word || ' ' || id, pg_get_userbyid(relowner) from holders
union all select 'owner', 'ROUTINE ' || id, pg_get_userbyid(proowner) from routines
union all select 'owner', 'TYPE ' || id, pg_get_userbyid(typowner) from types
union all ${granted('grant', 'spaces', "'SCHEMA ' || id", 'acl', 'nspowner')}
union all ${granted('grant', 'holders', "case relkind when 'S' then 'SEQUENCE ' else 'TABLE ' end || id", 'acl', 'relowner')}
union all ${granted('grant', 'routines', "'ROUTINE ' || id", 'acl', 'proowner')}
union all ${granted('grant', 'types', "'TYPE ' || id", 'acl', 'typowner')}
union all ${granted('column-grant', 'rels join pg_attribute on attrelid = rels.oid and attacl is not null', "id || '.' || quote_ident(attname)", 'attacl', 'relowner')}
union all ${granted('default-grant', 'pg_default_acl', "concat_ws(' ', pg_get_userbyid(defaclrole), nullif(defaclnamespace, 0)::regnamespace, defaclobjtype)", 'defaclacl', 'defaclrole')}`;
