-- A role that pat_grant_api has served: the API and nothing else.
CREATE ROLE regress_pat_api;
CREATE ROLE regress_pat_other;
SELECT pat_grant_api('regress_pat_api');
SELECT pat_create_account('regress-bot') AS bot \gset
SELECT pat_create_admin_token('regress-root', '*:*.regress-root');

-- EXECUTE on exactly the functions that take a caller_token
SELECT p.oid::regprocedure, has_function_privilege('regress_pat_api', p.oid, 'EXECUTE') AS api
FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e' AND d.classid = 'pg_proc'::regclass
    JOIN pg_extension e ON d.refobjid = e.oid
WHERE e.extname = 'pat'
ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT c.relname
FROM pg_class c JOIN pg_depend d ON d.objid = c.oid AND d.deptype = 'e' AND d.classid = 'pg_class'::regclass
    JOIN pg_extension e ON d.refobjid = e.oid
WHERE e.extname = 'pat' AND c.relkind IN ('r', 'v') AND has_any_column_privilege('regress_pat_api', c.oid, 'SELECT, INSERT, UPDATE');

SET ROLE regress_pat_api;
SELECT pat_list_for_service_account(:'bot', '*:*.regress-root');
SELECT pat_list_for_service_account(:'bot', '');
SELECT username FROM pat_caller('*:*.regress-root');
SELECT * FROM pat_token;
SELECT * FROM pat_account;
SELECT pat_create_admin_token('mine');
SELECT pat_create_token(:bot, 'mine');
SELECT pat_create_account('mine');
SELECT pat_delete_account(:bot);
SELECT pat_grant_api('regress_pat_other');
SELECT pat_token_hash('x');
SET ROLE regress_pat_other;
SELECT pat_list_for_service_account(:'bot', '*:*.regress-root');
RESET ROLE;
DELETE FROM pat_token;
DELETE FROM pat_account WHERE id = :bot;

-- in a schema of its own the role may name it
CREATE SCHEMA "regress_pat odd";
DROP EXTENSION pat;
CREATE EXTENSION pat SCHEMA "regress_pat odd";
SELECT "regress_pat odd".pat_grant_api('regress_pat_api');
SET ROLE regress_pat_api;
SELECT "regress_pat odd".pat_list_for_service_account('1', 'user:unknown');
RESET ROLE;
DROP EXTENSION pat;
DROP SCHEMA "regress_pat odd";
DROP ROLE regress_pat_api, regress_pat_other;
CREATE EXTENSION pat;
