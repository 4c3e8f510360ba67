-- C2: rows came in without their sequence, as by logical replication: what is created then says so,
-- and nothing says that a name is taken which is not.
BEGIN;
CREATE FUNCTION pg_temp.outcome(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    EXECUTE 'SELECT ' || call;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN format('%s %s | %s', SQLSTATE, regexp_replace(SQLERRM, '\d+', 'N'), hint);
END
$$;
SELECT pat_create_account('regress-bot', root_role => 1) AS bot \gset
SELECT pat_create_token(:bot, 'first', secret => 'user:regress-first') IS NOT NULL AS made;
SELECT pat_add_jwt_key('regress-1', 'HS256', repeat('k', 32));
\set body '{"description":"nor this","expiresAt":"2999-01-01T00:00:00Z"}'
CREATE TEMP TABLE calls AS SELECT * FROM (VALUES
    (1, 'pat_token', format('pat_create_token(%s, ''never used'')', :bot)),
    (2, 'pat_token', 'pat_create_admin_token(''never used'')'),
    (3, 'pat_token', format('pat_create_for_service_account(%L, %L, ''user:regress-first'')', :bot, :'body')),
    (4, 'pat_account', 'pat_create_account(''regress-never'')'),
    (5, 'pat_account', 'pat_create_account(NULL)'),
    (6, 'pat_account', 'pat_create_service_account(''{"username":"regress-made","name":"","rootRole":3}'', ''user:regress-first'')'),
    (7, 'pat_jwt_key', 'pat_add_jwt_key(''regress-2'', ''HS256'', repeat(''k'', 32))'),
    (8, 'pat_event', 'pat_create_account(''regress-event'')')) AS t (n, tbl, call);
CREATE TEMP TABLE last AS
SELECT 'pat_token' AS tbl, max(id)::bigint AS id FROM pat_token UNION ALL SELECT 'pat_account', max(id) FROM pat_account
UNION ALL SELECT 'pat_jwt_key', max(id) FROM pat_jwt_key UNION ALL SELECT 'pat_event', max(id) FROM pat_event;
SELECT n, setval(pg_get_serial_sequence(tbl, 'id'), id, false) > 0 AS set_back, pg_temp.outcome(call)
FROM calls JOIN last USING (tbl) ORDER BY n;
-- what the hint says mends it
SELECT setval(pg_get_serial_sequence(t, 'id'), 1000000) > 0 AS mended FROM unnest('{pat_token,pat_account,pat_jwt_key,pat_event}'::text[]) t;
SELECT n, pg_temp.outcome(call) FROM calls ORDER BY n;
-- and names that are taken are said to be
SELECT n, pg_temp.outcome(call) FROM calls ORDER BY n;
SELECT pg_temp.outcome(format('pat_create_token(%s, ''other'', secret => ''user:regress-first'')', :bot)),
       pg_temp.outcome('pat_create_admin_token(''other'', ''user:regress-first'')'),
       pg_temp.outcome('pat_create_account(''regress-bot'')');
ROLLBACK;
