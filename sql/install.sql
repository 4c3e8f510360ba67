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
       OR p.prosecdef AND NOT 'caller_token' = ANY (coalesce(p.proargnames, '{}')) AND p.proname <> 'pat_follow_rename');

-- B2: what names the schema is in PL/pgSQL, and begins with the guard; before that nothing is called
CREATE TEMP VIEW member AS
SELECT p.oid::regprocedure AS function, l.lanname AS language, p.*
FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e' AND d.classid = 'pg_proc'::regclass
    JOIN pg_extension e ON d.refobjid = e.oid JOIN pg_language l ON l.oid = p.prolang
WHERE e.extname = 'pat';
SELECT function FROM member
WHERE language <> 'c' AND prosrc ~ '\mpublic\M'
  AND (language <> 'plpgsql'
       OR prosrc !~ '^\s*(#variable_conflict use_column\s+)?(DECLARE\n(?:(?!BEGIN).)*)?BEGIN\n    IF to_regnamespace[(]''public''[)] IS DISTINCT FROM [(]SELECT e.extnamespace FROM pg_extension e WHERE e.extname = ''pat''[)] THEN\n'
       OR substring(prosrc FROM '^(.*?)\mBEGIN\n') ~ 'public\.(?!pat_import_line\[\];)');
SELECT count(*) > 40 AS guarded FROM member WHERE prosrc ~ 'IF to_regnamespace[(]''public''[)]';
SELECT evtname, evtevent, evtenabled, evttags FROM pg_event_trigger WHERE evtname LIKE 'pat%';

-- C1: what a backslash means depends on a setting, so none is in a body, a comment or an expression
SELECT function FROM member WHERE prosrc LIKE '%\%' ESCAPE '';
SELECT d.description FROM pg_description d JOIN pg_depend m ON m.objid = d.objoid AND m.classid = d.classoid AND m.deptype = 'e'
    JOIN pg_extension e ON m.refobjid = e.oid AND e.extname = 'pat' WHERE d.description LIKE '%\%' ESCAPE '';
SELECT conname FROM pg_constraint WHERE pg_get_constraintdef(oid) LIKE '%\%' ESCAPE '' AND conname LIKE 'pat%';

-- C2: a conflict that is no error names its target
SELECT function FROM member WHERE prosrc ~* 'ON\s+CONFLICT\s+DO';

-- C11: labels are explicit where they were chosen: what reads or writes tables, raises by pat_raise or counts is not safe
SELECT function FROM member
WHERE proparallel = 's'
  AND (prosrc ~ 'pat_raise|pat_record|pat_authorize|nextval|INSERT|UPDATE|DELETE' OR provolatile = 'v' AND proname NOT IN ('pat_new_token_text', 'pat_token_seal'));
-- nor is what catches exceptions: that takes a subtransaction
SELECT function FROM member WHERE proparallel <> 'u' AND prosrc ~ '\mEXCEPTION\s+WHEN\M';
-- what is immutable neither reads a table nor raises by pat_raise
SELECT function FROM member WHERE provolatile = 'i' AND prosrc ~ 'pat_raise|FROM pg_|public';

-- B5: no row has an id that could stand for "none"
\set VERBOSITY terse
INSERT INTO pat_role (id, name) VALUES (0, 'regress-zero');
INSERT INTO pat_role (id, name) VALUES (-1, 'regress-negative');
INSERT INTO pat_account (id, username) VALUES (0, 'regress-zero');
INSERT INTO pat_account (id, username) VALUES (-1, 'regress-negative');
INSERT INTO pat_account (username, is_system) VALUES ('regress-system', true);
INSERT INTO pat_token (id, account_id, description, secret_hash) VALUES (0, -1337, 'regress-zero', sha256('x'));
INSERT INTO pat_jwt_key (id, kid, algorithm, key) VALUES (0, 'regress-zero', 'HS256', repeat('k', 32)::bytea);
INSERT INTO pat_event (id, type) VALUES (0, 'regress-zero');
\set VERBOSITY default

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
