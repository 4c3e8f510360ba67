-- Date-times of request bodies, of imports, and in events.
BEGIN;
SELECT pat_create_account('regress-bot') AS bot \gset
SELECT pat_create_admin_token('regress-root', '*:*.regress-root') IS NOT NULL AS made;
CREATE SEQUENCE pg_temp.n;
CREATE FUNCTION pg_temp.outcome(bot integer, expires_at text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN pat_create_for_service_account(bot::text, json_build_object('description', nextval('pg_temp.n')::text, 'expiresAt', expires_at),
                                          '*:*.regress-root')->>'expiresAt';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;

-- C3: fractions are cut off, not rounded, wherever they stand
SELECT t, pg_temp.outcome(:bot, t) AS outcome FROM unnest(ARRAY[
    '2099-12-31T23:59:59.9999999Z', '2099-12-31T23:59:59.99999949Z', '2099-12-31T23:59:59.9999995Z',
    '2099-12-31T23:59:59.9995Z', '2099-12-31T23:59:59.9994999999999999999999Z', '2099-12-31T23:59:59.1Z',
    '2099-12-31T23:59:59.9999999-01:00', '2099-12-31T23:59:59.9999999+23:59', '2099-12-31T00:00:00.0000009-00:30',
    '2099-06-30T23:59:60.9999999Z', '2099-06-30T23:59:60Z', '2099-12-31t18:59:60.5-05:00',
    '9999-12-31T23:59:59.9999999Z', '9999-12-31T23:59:59.' || repeat('9', 60) || 'Z']) t;
SELECT expires_at AT TIME ZONE 'UTC' AS kept FROM pat_token WHERE account_id = :bot AND description = '1';
SELECT length(pg_temp.outcome(:bot, '2099-12-31T23:59:59.' || repeat('9', 90000) || 'Z')) AS long_one;
SELECT t, pat_import_time(t) AT TIME ZONE 'UTC' AS imported FROM unnest(ARRAY[
    '2024-12-31T23:59:59.9999999Z', '2024-12-31 23:59:59.99999951+01', '2024-12-31T23:59:59.5', 'infinity', '-infinity',
    '0044-03-15T12:00:00.1234567+00:00 BC']) t;

-- C12: what is wrong with a time, truly
SELECT t, pg_temp.outcome(:bot, t) AS outcome FROM unnest(ARRAY[
    '9999-12-31T23:59:59-01:00', '9999-12-31T23:59:60Z', '9999-12-31T00:00:00-23:59', '9999-12-31T23:59:59+00:01',
    '0000-01-01T00:00:00Z', '0000-02-29T00:00:00Z', '0001-01-01T00:00:00+00:01', '1970-01-01T00:00:00Z', '2000-02-29T12:00:00+14:00',
    '0000-02-30T00:00:00Z', '2099-02-29T00:00:00Z', '2100-02-29T00:00:00Z', '2099-04-31T00:00:00Z', '2099-13-01T00:00:00Z', '2099-00-01T00:00:00Z',
    '2099-01-00T00:00:00Z', '2099-01-01T24:00:00Z', '2099-01-01T23:60:00Z', '2099-01-01T23:59:61Z', '2099-01-01T00:00:00.Z',
    '2099-01-01T00:00:00', '2099-01-01T00:00:00+24:00', '2099-01-01T00:00:00+00:60', '2099-01-01T00:00:00+0000', '2099-01-01 00:00:00Z',
    '10000-01-01T00:00:00Z', '+2099-01-01T00:00:00Z', '-2099-01-01T00:00:00Z', '2099-01-01', 'infinity', 'tomorrow', '']) t;

-- C4: times in events are UTC and ISO 8601 as in lists, whatever the session has
CREATE FUNCTION pg_temp.forever() RETURNS timestamptz LANGUAGE sql AS $$ SELECT timestamptz '9999-12-31T23:59:59.999Z' $$;
SET LOCAL timezone = 'Asia/Tokyo';
SET LOCAL datestyle = 'German, DMY';
SELECT id AS forever FROM pat_create_token(:bot, 'forever', pg_temp.forever()) \gset
SELECT id AS mine FROM pat_create_token(:bot, 'mine', '2036-01-31T12:00:00.9999Z') \gset
SELECT pat_create_admin_token('regress-forever', expires_at => pg_temp.forever()) IS NOT NULL AS made;
SELECT pat_create_for_service_account(:'bot', '{"description":"api","expiresAt":"9999-12-31T23:59:59.999Z"}', '*:*.regress-root')->>'id' AS api \gset
SELECT pat_delete_for_service_account(:'bot', :'api', '*:*.regress-root');
SELECT pat_expire_token(:mine);
SELECT pat_delete_token(:forever);
SELECT type, data->>'description' AS description, nullif(data->>'expiresAt', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) AS expires_at
FROM pat_event WHERE data->>'description' IN ('forever', 'mine', 'regress-forever', 'api') ORDER BY id;
SELECT count(*) AS others FROM pat_event WHERE data ? 'expiresAt' AND data->>'expiresAt' !~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$';

-- C11: a parallel worker reads a time as any session does, and so do all functions that are labelled safe
CREATE TABLE regress_pat_times WITH (parallel_workers = 2) AS
    SELECT CASE n % 2 WHEN 0 THEN '2099-12-31T23:59:59Z' ELSE '2099-02-30T23:59:59Z' END AS t FROM generate_series(1, 1000) n;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
CREATE FUNCTION pg_temp.is_parallel(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
        IF line ~ 'Workers Launched: [1-9]' THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END
$$;
SELECT pg_temp.is_parallel('SELECT count(pat_parse_time(t)) FROM regress_pat_times') AS parallel;
SELECT count(pat_parse_time(t)) FROM regress_pat_times;
SELECT count(pat_time_text(pat_parse_time(t))), count(pat_token_hash(t)), count(pat_new_token_text(true)), count(pat_token_is_usable(t)),
       count(pat_token_seal(1, 1, t)), count(pat_id(t)), count(pat_json_integer(t)), count(pat_body_bad_escape(to_json(t))),
       count(pat_jwt_sign('{"sub":"x"}', t)), count(pat_jwt_key_problem(t, 'k'::bytea)), count(pat_import_begin_line(t, '{"id":1}', t)),
       count((SELECT v.valid FROM pat_jwt_verify(t, t) v)) FROM regress_pat_times;
ROLLBACK;
