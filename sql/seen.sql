-- seen_at: written at first use, then when older than pat.seen_resolution.
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
