-- seen_at: written at first use, then when older than pat.seen_resolution.
-- C11: in parallel mode no use of a token is noted; the other tests run in it, too (make check ONLY=parallel)
SELECT set_config(name, 'off', false) FROM pg_settings WHERE name IN ('debug_parallel_query', 'force_parallel_mode') \g /dev/null
BEGIN;
SELECT pat_create_account('regress-bot') AS bot \gset
SELECT id AS t FROM pat_create_token(:bot, 'x', NULL, 'user:regress-bot') \gset
PREPARE seen AS SELECT seen_at IS NOT NULL AS seen, seen_at >= now() AS now FROM pat_token WHERE id = :t;
EXECUTE seen;
SELECT token_id = :t AS ok FROM pat_caller('user:regress-bot');
EXECUTE seen;
-- recent enough: stays
UPDATE pat_token SET seen_at = now() - interval '30 seconds' WHERE id = :t;
SELECT token_id = :t AS ok FROM pat_caller('user:regress-bot');
EXECUTE seen;
-- too old: written
UPDATE pat_token SET seen_at = now() - interval '61 seconds' WHERE id = :t;
SELECT token_id = :t AS ok FROM pat_caller('user:regress-bot');
EXECUTE seen;
-- the setting counts, 0 means always
SET LOCAL pat.seen_resolution = '10min';
UPDATE pat_token SET seen_at = now() - interval '9 minutes' WHERE id = :t;
SELECT token_id = :t AS ok FROM pat_caller('user:regress-bot');
EXECUTE seen;
SET LOCAL pat.seen_resolution = 0;
UPDATE pat_token SET seen_at = now() - interval '1 microsecond' WHERE id = :t;
SELECT token_id = :t AS ok FROM pat_caller('user:regress-bot');
EXECUTE seen;
-- several times in one statement, and with the row changed by the same transaction
SELECT count(*) FROM generate_series(1, 100), LATERAL pat_caller('user:regress-bot');
EXECUTE seen;
-- A statement notes the use of a token once, however often it comes to it and whoever comes between,
-- though its snapshot goes on showing the row as it was.
SELECT count(pat_create_token(:bot, 'many ' || n, secret => 'user:regress-' || n)) FROM generate_series(1, 40) n;
CREATE FUNCTION pg_temp.uses(credentials text[]) RETURNS TABLE (uses bigint, written bigint, skipped bigint) LANGUAGE plpgsql AS $$
BEGIN
    UPDATE pat_token SET seen_at = NULL;
    PERFORM pat_stat_reset();
    SELECT count(*) INTO uses FROM pat_answer_list(credentials);
    SELECT seen_written, seen_skipped INTO written, skipped FROM pat_stat;
    RETURN NEXT;
END
$$;
SELECT * FROM pg_temp.uses(ARRAY(SELECT CASE WHEN n % 2 = 0 THEN 'user:regress-bot' ELSE 'user:regress-nobody' END FROM generate_series(1, 20) n));
SELECT * FROM pg_temp.uses(ARRAY(SELECT 'user:regress-' || n % 3 FROM generate_series(1, 20) n));
SELECT * FROM pg_temp.uses(ARRAY(SELECT 'user:regress-' || n % 12 + 1 FROM generate_series(1, 24) n));
SELECT * FROM pg_temp.uses(ARRAY(SELECT 'user:regress-' || n FROM generate_series(1, 40) n));
-- but a use that was rolled back is not noted, and each statement has a time of its own
CREATE FUNCTION pg_temp.use_in_vain() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pat_caller('user:regress-bot');
    RAISE no_data_found;
EXCEPTION WHEN no_data_found THEN
    NULL;
END
$$;
UPDATE pat_token SET seen_at = NULL WHERE id = :t;
SELECT pat_stat_reset();
DO $$ BEGIN PERFORM pg_temp.use_in_vain(); PERFORM pat_caller('user:regress-bot'); END $$;
SELECT seen_written, seen_skipped FROM pat_stat;
EXECUTE seen;
SELECT token_id = :t AS ok FROM pat_caller('user:regress-bot');
SELECT token_id = :t AS ok FROM pat_caller('user:regress-bot');
SELECT seen_written, seen_skipped FROM pat_stat;
-- A2: what the owner has added to the table holds for this write too: columns computed from seen_at ...
SAVEPOINT s;
UPDATE pat_token SET seen_at = NULL WHERE id = :t;
ALTER TABLE pat_token ADD regress_seen timestamp GENERATED ALWAYS AS (seen_at AT TIME ZONE 'UTC') STORED,
    ADD regress_name text GENERATED ALWAYS AS (upper(description)) STORED;
CREATE INDEX regress_pat_seen ON pat_token (regress_seen);
SELECT token_id = :t AS ok FROM pat_caller('user:regress-bot');
SELECT seen_at IS NOT NULL AS seen, regress_seen = seen_at AT TIME ZONE 'UTC' AS computed, regress_name FROM pat_token WHERE id = :t;
SET LOCAL enable_seqscan = off;
SELECT count(*) FROM pat_token WHERE regress_seen IS NOT NULL;
-- ... and constraints: the call goes on, and the time is not written
SELECT pat_stat_reset();
UPDATE pat_token SET seen_at = NULL;
ALTER TABLE pat_token ADD CONSTRAINT regress_unseen CHECK (seen_at < '2024-01-01');
SELECT token_id = :t AS ok FROM pat_caller('user:regress-bot');
EXECUTE seen;
SELECT seen_written, seen_failed FROM pat_stat;
ROLLBACK TO s;
-- an unusable token is not seen
UPDATE pat_token SET seen_at = NULL, expires_at = now() WHERE id = :t;
SAVEPOINT s;
SELECT pat_caller('user:regress-bot');
ROLLBACK TO s;
EXECUTE seen;
-- silent in a read-only transaction
UPDATE pat_token SET expires_at = NULL WHERE id = :t;
SET LOCAL transaction_read_only = on;
SELECT token_id = :t AS ok FROM pat_caller('user:regress-bot');
EXECUTE seen;
ROLLBACK;
-- and in a SERIALIZABLE one
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT pat_create_token(pat_create_account('regress-bot'), 'x', NULL, 'user:regress-bot') IS NOT NULL AS made;
SELECT expires_at FROM pat_caller('user:regress-bot');
SELECT seen_at FROM pat_token WHERE secret_hash = sha256('user:regress-bot');
ROLLBACK;
-- settings: range, unit, who may set (the texts differ between versions of the server)
\set VERBOSITY sqlstate
SET pat.seen_resolution = -1;
SET pat.seen_resolution = '25h';
SET pat.seen_resolution = '24h';
SHOW pat.seen_resolution;
RESET pat.seen_resolution;
SHOW pat.seen_resolution;
SHOW pat.max_tokens_per_account;
SHOW pat.secret_key_file;
-- 15 and later keep the prefix for settings that exist
DO $$
BEGIN
	IF current_setting('server_version_num')::integer < 150000 THEN
		RAISE invalid_name;
	END IF;
	SET pat.no_such_setting = 1;
END
$$;
CREATE ROLE regress_pat_user;
SET ROLE regress_pat_user;
SET pat.seen_resolution = 0;
SET pat.max_tokens_per_account = 0;
SET pat.secret_key_file = '';
SHOW pat.secret_key_file;
RESET ROLE;
DROP ROLE regress_pat_user;
