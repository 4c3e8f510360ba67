-- What the extension installs, and who may use it.
CREATE EXTENSION pat;

-- shipped rows
SELECT id, name FROM pat_role ORDER BY id;
SELECT * FROM pat_role_permission;
SELECT id, username, is_service, is_system, root_role FROM pat_account;

-- PUBLIC has no privilege on anything of ours
SELECT c.relname, c.relacl
FROM pg_class c JOIN pg_depend d ON d.objid = c.oid AND d.deptype = 'e'
    JOIN pg_extension e ON d.refobjid = e.oid
WHERE e.extname = 'pat' AND c.relkind IN ('r', 'v', 'S')
  AND (c.relacl::text ~ '[{,]=' OR has_table_privilege('pg_monitor', c.oid, 'SELECT'));
SELECT p.oid::regprocedure
FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e'
    JOIN pg_extension e ON d.refobjid = e.oid
WHERE e.extname = 'pat' AND has_function_privilege('pg_monitor', p.oid, 'EXECUTE');

-- every object has a comment
SELECT pg_describe_object(d.classid, d.objid, 0)
FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid AND d.refclassid = 'pg_extension'::regclass
WHERE e.extname = 'pat' AND d.deptype = 'e'
  AND (d.classid IN ('pg_proc'::regclass, 'pg_type'::regclass, 'pg_cast'::regclass)
       OR d.classid = 'pg_class'::regclass AND (SELECT relkind FROM pg_class WHERE oid = d.objid) IN ('r', 'v'))
  -- types of rows and of arrays come with something else, and are members from PostgreSQL 17 on
  AND NOT EXISTS (SELECT FROM pg_type t WHERE d.classid = 'pg_type'::regclass AND t.oid = d.objid AND (t.typtype = 'c' OR t.typelem <> 0))
  AND obj_description(d.objid, d.classid::regclass::name) IS NULL;

-- every table and sequence is dumped
SELECT c.relname
FROM pg_class c JOIN pg_depend d ON d.objid = c.oid AND d.deptype = 'e' AND d.classid = 'pg_class'::regclass
    JOIN pg_extension e ON d.refobjid = e.oid
WHERE e.extname = 'pat' AND c.relkind IN ('r', 'S') AND c.oid <> ALL (e.extconfig);

-- functions in SQL have a fixed search_path; none runs with the owner's rights for nothing
SELECT p.oid::regprocedure
FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e' AND d.classid = 'pg_proc'::regclass
    JOIN pg_extension e ON d.refobjid = e.oid JOIN pg_language l ON l.oid = p.prolang
WHERE e.extname = 'pat' AND l.lanname NOT IN ('c', 'internal')
  AND ('search_path=pg_catalog, pg_temp' <> ALL (coalesce(p.proconfig, '{}'))
       OR p.prosecdef AND NOT 'caller_token' = ANY (p.proargnames));

-- shipped rows stay as they are
UPDATE pat_role SET name = 'Root' WHERE id = 1;
DELETE FROM pat_role WHERE id = 3;
DELETE FROM pat_role_permission;
UPDATE pat_account SET deleted_at = now() WHERE id = -1337;
TRUNCATE pat_account CASCADE;
TRUNCATE pat_role CASCADE;

-- not relocatable
CREATE SCHEMA regress_pat_elsewhere;
ALTER EXTENSION pat SET SCHEMA regress_pat_elsewhere;
DROP SCHEMA regress_pat_elsewhere;
