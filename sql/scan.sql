-- Direct scans: of what they are, what they lock, and that no index leads them astray.
SET client_min_messages = warning;
CREATE ACCESS METHOD regress_heap TYPE TABLE HANDLER heap_tableam_handler;

-- the tables that the module reads are heaps, whatever the default
BEGIN;
DROP EXTENSION pat CASCADE;
SET LOCAL default_table_access_method = regress_heap;
CREATE EXTENSION pat;
SELECT c.relname, amname FROM pg_class c JOIN pg_am a ON a.oid = relam
WHERE c.relname IN ('pat_account', 'pat_token', 'pat_role_permission', 'pat_jwt_key') ORDER BY 1;
ROLLBACK;

-- and are read all the same when they are something else
BEGIN;
SELECT pat_create_account('regress-scan') AS bot \gset
SELECT pat_create_account('regress-other') AS other \gset
-- an id that no token has, as the end of this test needs it
UPDATE pat_account SET id = 900000000 WHERE id = :other RETURNING id AS other \gset
SELECT count(pat_create_token(a, 'token ' || n)) FROM unnest(ARRAY[:bot, :other]) a, generate_series(1, 3) n;
SELECT pat_create_admin_token('regress-scan', '*:*.regress-scan') AS root \gset
SELECT json_array_length(pat_list_for_service_account(:bot, :'root')->'pats');
SAVEPOINT heap;
ALTER TABLE pat_token SET ACCESS METHOD regress_heap;
SELECT json_array_length(pat_list_for_service_account(:bot, :'root')->'pats');
ROLLBACK TO heap;
SELECT json_array_length(pat_list_for_service_account(:bot, :'root')->'pats');
COMMIT;

-- Locks last until the end of the transaction. A savepoint that is rolled back takes those that
-- were taken in it along; who comes after takes them again.
BEGIN;
CREATE FUNCTION pg_temp.locks() RETURNS SETOF text LANGUAGE sql AS
$$ SELECT relation::regclass || ' ' || mode FROM pg_locks
   WHERE pid = pg_backend_pid() AND relation::regclass::text LIKE 'pat\_%' AND mode = 'AccessShareLock' ORDER BY 1 $$;
SAVEPOINT before;
SELECT json_array_length(pat_list_for_service_account(:bot, :'root')->'pats');
SELECT pg_temp.locks();
ROLLBACK TO before;
SELECT pg_temp.locks();
SELECT json_array_length(pat_list_for_service_account(:bot, :'root')->'pats');
SELECT count(*) FROM pg_temp.locks();
SAVEPOINT inner_one;
SELECT json_array_length(pat_list_for_service_account(:bot, :'root')->'pats');
ROLLBACK TO inner_one;
SELECT json_array_length(pat_list_for_service_account(:bot, :'root')->'pats');
SELECT count(*) FROM pg_temp.locks();
RELEASE before;
SELECT count(*) FROM pg_temp.locks();
COMMIT;

-- What is found dead the index is told of, by each request of a statement: the next one passes it by.
BEGIN;
CREATE TEMP TABLE regress_bots AS SELECT pat_create_account('regress-bot-' || n) AS id FROM generate_series(1, 20) n;
SELECT count(pat_create_token(id, 'token ' || n)) FROM regress_bots, generate_series(1, 40) n;
ALTER TABLE pat_token SET (autovacuum_enabled = off);
COMMIT;
DELETE FROM pat_token USING regress_bots WHERE account_id = regress_bots.id AND description ~ '[1-6]$';
CREATE FUNCTION pg_temp.read_by_index() RETURNS bigint LANGUAGE sql AS
$$ SELECT pg_stat_get_xact_tuples_returned('pat_token_account_id_id_idx'::regclass) $$;
CREATE FUNCTION pg_temp.list_all() RETURNS bigint LANGUAGE sql AS
$$ SELECT sum(json_array_length(substring(answer, E'\n(.*)')::json->'pats'))
   FROM (SELECT array_agg(id::text) AS ids FROM regress_bots) AS bots,
        ROWS FROM (unnest(ids), pat_answer_list_for_service_account(ids, array_fill('*:*.regress-scan'::text, ARRAY[20]))) AS list (id, answer) $$;
BEGIN;
SELECT pg_temp.read_by_index() AS before \gset
SELECT pg_temp.list_all(), pg_temp.read_by_index() - :before AS read_at_first;
SELECT pg_temp.read_by_index() AS before \gset
SELECT pg_temp.list_all(), pg_temp.read_by_index() - :before AS read_again;
COMMIT;
DELETE FROM pat_token USING regress_bots WHERE account_id = regress_bots.id;
DELETE FROM pat_account USING regress_bots WHERE pat_account.id = regress_bots.id;
ALTER TABLE pat_token RESET (autovacuum_enabled);

-- Where each look at a catalog drops all that was known of it, as a server for developers may be told
-- to do, a call comes to its end all the same.
BEGIN;
SELECT count(set_config(name, '1', true)) < 2 AS ok FROM pg_settings WHERE name = 'debug_discard_caches' AND max_val <> '0';
SELECT json_array_length(pat_list_for_service_account(:bot, :'root')->'pats');
ROLLBACK;

-- An index that is not what the catalog says of it: no list rather than another account's tokens.
BEGIN;
SELECT id AS token FROM pat_token WHERE account_id = :bot LIMIT 1 \gset
DELETE FROM pat_token WHERE id = :other;
UPDATE pat_token SET id = :other WHERE id = :token;
DROP INDEX pat_token_account_id_id_idx;
CREATE INDEX regress_lie ON pat_token (id, account_id);
SET LOCAL allow_system_table_mods = on;
UPDATE pg_index SET indkey = '2 1' WHERE indexrelid = 'regress_lie'::regclass;
COMMIT;
\c -
SELECT pat_list_for_service_account(:other, :'root');
DROP INDEX regress_lie;
CREATE INDEX pat_token_account_id_id_idx ON pat_token (account_id, id);
SELECT json_array_length(pat_list_for_service_account(:other, :'root')->'pats');

DELETE FROM pat_token WHERE account_id IN (:bot, :other) OR secret_hash = sha256(:'root');
DELETE FROM pat_account WHERE id IN (:bot, :other);
DROP ACCESS METHOD regress_heap;
