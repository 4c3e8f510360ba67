-- pat_stat: what this session asked for and what it got. Where the library is preloaded, the counts
-- are of all sessions, none of which runs beside these tests.
-- C11: in parallel mode no use of a token is noted; the other tests run in it, too (make check ONLY=parallel)
SELECT set_config(name, 'off', false) FROM pg_settings WHERE name IN ('debug_parallel_query', 'force_parallel_mode') \g /dev/null
SELECT scope = CASE WHEN current_setting('shared_preload_libraries') ~ '\mpat\M' THEN 'database' ELSE 'session' END AS ok
FROM pat_stat;
BEGIN;
SELECT pat_create_account('regress-bot') AS bot \gset
SELECT pat_create_account('regress-gone') AS gone \gset
SELECT pat_create_account('regress-ada', is_service => false) AS person \gset
SELECT pat_create_token(:bot, 'x', secret => 'user:regress-bot') IS NOT NULL AS ok;
SELECT pat_create_token(:bot, 'old', now(), 'user:regress-old') IS NOT NULL AS ok;
SELECT pat_create_token(:gone, 'x', secret => 'user:regress-gone') IS NOT NULL AS ok;
SELECT pat_delete_account(:gone) IS NOT NULL AS ok;
SELECT pat_create_token(:person, 'x', secret => 'user:regress-ada') IS NOT NULL AS ok;
SELECT pat_create_admin_token('regress', '*:*.regress') IS NOT NULL AS ok;
SELECT pat_add_jwt_key('regress', 'HS256', repeat('k', 32));
SELECT pat_jwt_sign(json_build_object('sub', 'regress-bot', 'iat', extract(epoch FROM now()), 'exp', 4102444800), repeat('k', 32)) AS jwt \gset

CREATE FUNCTION pg_temp.try(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'SELECT ' || $1;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;
SELECT pat_stat_reset();
SELECT stats_reset BETWEEN statement_timestamp() - interval '1 minute' AND clock_timestamp() AS ok,
    calls + jwt_calls + no_token + malformed_token + unknown_token + expired_token + deleted_account + unusable_jwt
    + bad_data + forbidden + not_found + conflict + too_large + seen_written + seen_skipped + seen_failed AS sum
FROM pat_stat;

-- each once, but two without a token
SELECT call, pg_temp.try(call) FROM (VALUES
    ('pat_list_for_service_account(1, NULL)'),
    ('pat_list_for_service_account(1, '' '')'),
    ('pat_list(repeat(''x'', 8193))'),
    ('pat_caller(''user:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'')'),
    ('pat_answer_list(''user:regress-nobody'')'),
    ('pat_list_service_accounts(''user:regress-old'')'),
    ('pat_caller(''user:regress-gone'')'),
    ('pat_caller(''e30.e30.AA'')')) AS t (call);
SELECT * FROM pat_stat \gset
SELECT :calls AS calls, :jwt_calls AS jwt_calls, :no_token AS no_token, :malformed_token AS malformed_token,
    :unknown_token AS unknown_token, :expired_token AS expired_token, :deleted_account AS deleted_account,
    :unusable_jwt AS unusable_jwt, :seen_written AS seen_written;

-- the other refusals, raised and answered; a raised one takes back that the token was seen
SELECT call, pg_temp.try(call) FROM (VALUES
    ('pat_list_for_service_account(''nobody'', ''*:*.regress'')'),
    ('pat_answer_list_for_service_account(''nobody'', ''*:*.regress'')'),
    ('pat_list_for_service_account(''1'', ''user:regress-bot'')'),
    ('pat_create(''{}'', ''user:regress-ada'')'),
    ('pat_create(''{"description":"x","expiresAt":"9999-01-01T00:00:00Z"}'', ''user:regress-ada'')'),
    ('pat_create(to_json(repeat(''x'', 102401)), ''user:regress-ada'')')) AS t (call);
SELECT * FROM pat_stat \gset
SELECT :calls AS calls, :bad_data AS bad_data, :forbidden AS forbidden, :not_found AS not_found, :conflict AS conflict,
    :too_large AS too_large, :seen_written AS seen_written, :seen_skipped AS seen_skipped;

-- accepted: a JSON Web Token, which has no seen_at; a token where nothing may be written, though due
SELECT username FROM pat_caller(:'jwt');
UPDATE pat_token SET seen_at = NULL WHERE secret_hash = sha256('user:regress-bot');
SAVEPOINT s;
SET LOCAL transaction_read_only = on;
SELECT username FROM pat_caller('user:regress-bot');
SELECT calls - :calls AS calls, jwt_calls - :jwt_calls AS jwt_calls, unusable_jwt, seen_written, seen_skipped, seen_failed
FROM pat_stat;
-- of a batch, each; the second of two that are alike is answered as the first
SELECT count(*) FROM pat_answer_list(ARRAY[:'jwt', :'jwt', 'user:regress-bot', 'user:regress-bot']);
SELECT calls - :calls AS calls, jwt_calls - :jwt_calls AS jwt_calls FROM pat_stat;
-- counts stay when the transaction does not
ROLLBACK TO s;
SELECT calls - :calls AS calls FROM pat_stat;
ROLLBACK;
SELECT calls - :calls AS calls FROM pat_stat;

-- for the owner; reading can be granted
CREATE ROLE regress_pat_user;
SET ROLE regress_pat_user;
SELECT calls FROM pat_stat;
SELECT calls FROM pat_stat_counters();
SELECT pat_stat_reset();
RESET ROLE;
GRANT SELECT ON pat_stat TO regress_pat_user;
GRANT EXECUTE ON FUNCTION pat_stat_counters() TO regress_pat_user;
SET ROLE regress_pat_user;
SELECT calls - :calls AS calls FROM pat_stat;
SELECT pat_stat_reset();
RESET ROLE;
REVOKE ALL ON pat_stat FROM regress_pat_user;
REVOKE ALL ON FUNCTION pat_stat_counters() FROM regress_pat_user;
DROP ROLE regress_pat_user;
