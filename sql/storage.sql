-- Rows read by public interfaces: what is locked, which columns a table must have, where they may stand.
-- in parallel mode no use of a token is noted
SELECT set_config(name, 'off', false) FROM pg_settings WHERE name IN ('debug_parallel_query', 'force_parallel_mode') \g /dev/null
SET client_min_messages = warning;
SELECT pat_create_account('regress-storage') AS bot \gset
SELECT count(pat_create_token(:bot, 'token ' || n)) FROM generate_series(1, 3) n;
SELECT pat_create_admin_token('regress-storage', '*:*.regress-storage') AS root \gset
SELECT pat_add_jwt_key('regress-storage', 'HS256', 'a secret of at least 32 bytes for HS256');
SELECT pat_jwt_sign(json_build_object('sub', :'bot', 'exp', extract(epoch FROM now() + '1 day')::bigint,
    'iat', extract(epoch FROM now())::bigint), 'a secret of at least 32 bytes for HS256') AS jwt \gset

CREATE FUNCTION pg_temp.locked(mode text) RETURNS SETOF regclass LANGUAGE sql AS
$$ SELECT relation::regclass FROM pg_locks l
   WHERE pid = pg_backend_pid() AND relation::regclass::text LIKE 'pat\_%' AND l.mode = $1 ORDER BY relation::regclass::text $$;

-- A1: a call after the abort of a portal that had locked the tables locks them itself
BEGIN;
DECLARE c CURSOR FOR SELECT (pat_caller(t)).username FROM (VALUES (:'root'), ('bad')) v (t);
FETCH 1 FROM c;
SAVEPOINT s;
FETCH 1 FROM c;
ROLLBACK TO s;
RELEASE s;
SELECT pg_temp.locked('AccessShareLock');
SELECT username FROM pat_caller(:'root');
SELECT pg_temp.locked('AccessShareLock');
COMMIT;

-- A1: the same for a portal that keeps its scans open from row to row
BEGIN;
DECLARE c CURSOR FOR SELECT 1 / (2 - n) AS one, substring(answer, '^\d+') AS status
    FROM ROWS FROM (generate_series(1, 2), pat_answer_list_for_service_account(
        ARRAY[:'bot', :'bot'], ARRAY[:'root', :'root'])) AS f (n, answer);
SAVEPOINT s;
FETCH 1 FROM c;
FETCH 1 FROM c;
ROLLBACK TO s;
RELEASE s;
SELECT pg_temp.locked('AccessShareLock');
SELECT json_array_length(pat_list_for_service_account(:'bot', :'root')->'pats');
SELECT pg_temp.locked('AccessShareLock');
COMMIT;

-- A1: and for the keys of JSON Web Tokens
BEGIN;
DECLARE c CURSOR FOR SELECT (pat_caller(t)).username FROM (VALUES (:'jwt'), ('bad')) v (t);
FETCH 1 FROM c;
SAVEPOINT s;
FETCH 1 FROM c;
ROLLBACK TO s;
SELECT username FROM pat_caller(:'jwt');
SELECT pg_temp.locked('AccessShareLock');
COMMIT;

-- A1: in PL/pgSQL, where a block with EXCEPTION is a subtransaction
DO $$
BEGIN
    BEGIN
        PERFORM pat_caller('*:*.regress-storage');
        PERFORM pat_caller('bad');
    EXCEPTION WHEN SQLSTATE 'PT401' THEN
        NULL;
    END;
    PERFORM pat_caller('*:*.regress-storage');
    IF (SELECT count(*) FROM pg_temp.locked('AccessShareLock')) <> 10 THEN
        RAISE EXCEPTION 'locked: %', ARRAY(SELECT pg_temp.locked('AccessShareLock'));
    END IF;
END $$;

-- A2: a column of another type
BEGIN;
DELETE FROM pat_token WHERE account_id = :bot AND description <> 'token 1';
ALTER TABLE pat_token DROP CONSTRAINT pat_token_description_check;
ALTER TABLE pat_token ALTER COLUMN description TYPE bigint USING 4096;
SELECT pat_list_for_service_account(:'bot', :'root');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
SELECT json_array_length(pat_list_for_service_account(:'bot', :'root')->'pats');

-- A2: whichever column it is, and whether it has another type or is gone
CREATE FUNCTION pg_temp.without(tab text, col text, other_type text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    state text;
    message text;
BEGIN
    EXECUTE format('ALTER TABLE %I RENAME COLUMN %I TO was', tab, col);
    IF other_type IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %I ADD COLUMN %I %s', tab, col, other_type);
    END IF;
    BEGIN
        PERFORM pat_caller(CASE tab WHEN 'pat_jwt_key' THEN current_setting('regress.jwt') ELSE '*:*.regress-storage' END);
        RAISE EXCEPTION 'no error';
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
    END;
    RAISE EXCEPTION USING MESSAGE = state || ' ' || message, ERRCODE = 'XX999';
EXCEPTION WHEN SQLSTATE 'XX999' THEN
    RETURN SQLERRM;
END $$;
SELECT set_config('regress.jwt', :'jwt', false) <> '' AS ok;
SELECT pg_temp.without(attrelid::regclass::text, attname, NULL) AS gone,
       pg_temp.without(attrelid::regclass::text, attname,
                       CASE WHEN atttypid = 'integer'::regtype THEN 'text' ELSE 'integer' END) AS other_type
FROM pg_attribute WHERE attrelid IN ('pat_token'::regclass, 'pat_account'::regclass,
    'pat_role_permission'::regclass, 'pat_jwt_key'::regclass) AND attnum > 0
ORDER BY attrelid::regclass::text, attnum;

-- A2: a type that is read alike is another one, too; a domain over the type is not
BEGIN;
ALTER TABLE pat_account ALTER COLUMN name TYPE varchar(255);
SELECT pat_list_for_service_account(:'bot', :'root');
ROLLBACK;
BEGIN;
ALTER TABLE pat_token ALTER COLUMN seen_at TYPE timestamp;
SELECT pat_list_for_service_account(:'bot', :'root');
ROLLBACK;
BEGIN;
ALTER TABLE pat_token ALTER COLUMN secret_sealed TYPE text USING NULL;
SELECT pat_list_for_service_account(:'bot', :'root');
ROLLBACK;
BEGIN;
CREATE DOMAIN regress_text AS text;
ALTER TABLE pat_token ALTER COLUMN description TYPE regress_text;
SELECT json_array_length(pat_list_for_service_account(:'bot', :'root')->'pats');
ROLLBACK;

-- A2: something else under the table's name
BEGIN;
ALTER TABLE pat_token RENAME TO was;
CREATE VIEW pat_token AS SELECT * FROM was;
SELECT pat_list_for_service_account(:'bot', :'root');
ROLLBACK;
BEGIN;
ALTER TABLE pat_token RENAME TO was;
CREATE TABLE pat_token (LIKE was) PARTITION BY LIST (id);
SELECT pat_list_for_service_account(:'bot', :'root');
ROLLBACK;

-- A2: rows without what the module reads, once the owner has lifted NOT NULL: nothing is read that is not there
BEGIN;
ALTER TABLE pat_jwt_key ALTER COLUMN algorithm DROP NOT NULL, ALTER COLUMN key DROP NOT NULL,
    ALTER COLUMN kid DROP NOT NULL, ALTER COLUMN subject_claim DROP NOT NULL;
SELECT username FROM pat_caller(:'jwt');
SAVEPOINT whole;
UPDATE pat_jwt_key SET algorithm = NULL;
SELECT username FROM pat_caller(:'jwt');
ROLLBACK TO whole;
UPDATE pat_jwt_key SET key = NULL;
SELECT username FROM pat_caller(:'jwt');
ROLLBACK TO whole;
UPDATE pat_jwt_key SET kid = NULL;
SELECT username FROM pat_caller(:'jwt');
ROLLBACK TO whole;
UPDATE pat_jwt_key SET subject_claim = NULL;
SELECT username FROM pat_caller(:'jwt');
ROLLBACK;
BEGIN;
ALTER TABLE pat_token ALTER COLUMN description DROP NOT NULL, ALTER COLUMN created_at DROP NOT NULL;
UPDATE pat_token SET description = NULL, created_at = NULL WHERE account_id = :bot AND description = 'token 1';
SELECT pat_list_for_service_account(:'bot', :'root')->'pats'->0->>'createdAt' IS NULL AS null_time,
       pat_list_for_service_account(:'bot', :'root')->'pats'->0->>'description' IS NULL AS null_text;
ROLLBACK;

-- A3: columns that were added and dropped cost nothing, however many
CREATE FUNCTION pg_temp.add_and_drop(tab text, count integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    FOR n IN 1..count LOOP
        EXECUTE format('ALTER TABLE %I ADD COLUMN x%s int', tab, n);
        EXECUTE format('ALTER TABLE %I DROP COLUMN x%s', tab, n);
    END LOOP;
END $$;
BEGIN;
SELECT count(pg_temp.add_and_drop(t, 30)) FROM unnest('{pat_account,pat_token,pat_role_permission,pat_jwt_key}'::text[]) t;
SELECT count(pg_temp.add_and_drop('pat_token', 1000));
UPDATE pat_token SET seen_at = NULL;
SELECT json_array_length(pat_list_for_service_account(:'bot', :'root')->'pats');
SELECT username FROM pat_caller(:'jwt');
SELECT seen_at IS NOT NULL AS seen FROM pat_token WHERE secret_hash = sha256(:'root');
ROLLBACK;

-- A3: nor do columns that stay, with values that a new version of the row keeps
BEGIN;
SELECT string_agg(format('ADD COLUMN x%s int', n), ', ') AS many FROM generate_series(1, 100) n \gset
ALTER TABLE pat_token :many, ADD COLUMN long text;
UPDATE pat_token SET x1 = 1, x100 = 100, long = repeat('x', 1000000);
UPDATE pat_token SET seen_at = NULL;
SELECT json_array_length(pat_list_for_service_account(:'bot', :'root')->'pats');
SELECT seen_at IS NOT NULL AS seen, x1, x2, x100, length(long) FROM pat_token WHERE secret_hash = sha256(:'root');
ROLLBACK;

-- A3: a column of ours that was dropped and made anew is found where it stands now
BEGIN;
ALTER TABLE pat_token ADD COLUMN other int DEFAULT 7, DROP COLUMN seen_at, DROP COLUMN secret_sealed;
ALTER TABLE pat_token ADD COLUMN seen_at pat_time, ADD COLUMN secret_sealed bytea;
ALTER TABLE pat_jwt_key DROP COLUMN issuer;
ALTER TABLE pat_jwt_key ADD COLUMN issuer text;
UPDATE pat_token SET seen_at = '2020-02-02 02:02:02Z' WHERE account_id = :bot;
SELECT p->>'description' AS description, p->>'seenAt' AS seen_at
FROM json_array_elements(pat_list_for_service_account(:'bot', :'root')->'pats') p;
SELECT username FROM pat_caller(:'jwt');
SELECT seen_at IS NOT NULL AS seen, other FROM pat_token WHERE secret_hash = sha256(:'root');
UPDATE pat_jwt_key SET issuer = 'somebody else';
SELECT username FROM pat_caller(:'jwt');
ROLLBACK;

-- A3: without one an error tells which
BEGIN;
ALTER TABLE pat_token DROP COLUMN seen_at;
SELECT pat_list_for_service_account(:'bot', :'root');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;

-- A4: whatever writes a table is reached only through a function that takes the locks of changes first,
-- before it names a table
CREATE TEMP VIEW regress_function AS
SELECT p.oid AS id, p.proname AS name, p.prosrc AS body,
       p.prosrc ~ '(INSERT INTO|UPDATE|DELETE FROM) \S+\.pat_' AS writes,
       p.prosrc ~ 'pat_begin_change\(|pat_authorize\(|LOCK TABLE' AS locks,
       substring(p.prosrc FROM '^(?:(?!pat_begin_change\(|pat_authorize\(|LOCK TABLE).)*')
           !~ '\.pat_(role|role_permission|token|account|jwt_key|import|event)\M' AS locks_first
FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
    JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
    JOIN pg_language l ON l.oid = p.prolang AND l.lanname IN ('sql', 'plpgsql')
WHERE e.extname = 'pat' AND d.deptype = 'e';
SELECT count(*) > 20 AS many, count(*) FILTER (WHERE writes) > 10 AS writers, count(*) FILTER (WHERE locks) > 10 AS lockers
FROM regress_function;
WITH RECURSIVE unlocked (id, name, via) AS (
    SELECT id, name, name::text FROM regress_function WHERE writes AND NOT locks
    UNION
    SELECT caller.id, caller.name, caller.name || ' > ' || u.via
    FROM unlocked u JOIN regress_function caller ON caller.body ~ ('\.' || u.name || '\(')
    WHERE NOT caller.locks AND caller.id <> u.id
)
SELECT via AS writes_without_locks FROM unlocked u
WHERE NOT EXISTS (SELECT FROM regress_function caller WHERE caller.body ~ ('\.' || u.name || '\(') AND caller.id <> u.id)
ORDER BY 1;
SELECT name AS reads_before_it_locks FROM regress_function WHERE locks AND NOT locks_first ORDER BY 1;

SELECT pat_delete_jwt_key('regress-storage');
DELETE FROM pat_token WHERE account_id = :bot OR secret_hash = sha256(:'root');
DELETE FROM pat_account WHERE id = :bot;
