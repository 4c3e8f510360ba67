-- C7: an integer is one by its value, as in JSON Schema, however it is spelled; and no spelling takes long.
BEGIN;
SET LOCAL statement_timeout = '10s';
SELECT n, pat_json_integer(n) FROM unnest('{3,3.0,3e0,3E0,3e+0,30e-1,0.3e1,0.03E+2,3.5,35e-1,3e-1,0,-0,0.0,-0.0e7,0e99,0e-99,
    2147483647,2147483648,-2147483648,-2147483649,21474836470e-1,214748364.7e1,21474836485,-21474836485,2147483647.5,0.2147483647e10,
    1e9,1e10,1e309,1e-309,1e1000000,1e-1000000,0e1000000,1e99999999999999999999,1e-99999999999999999999}'::text[]) n;
SELECT pat_json_integer('3.' || repeat('0', 100000)) AS zeros, pat_json_integer('3.' || repeat('0', 100000) || '1') AS fraction,
       pat_json_integer('3' || repeat('0', 100000) || 'e-100000') AS long, pat_json_integer('0.' || repeat('0', 100000) || '3e100001') AS small,
       pat_json_integer(repeat('9', 100000)) AS large, pat_json_integer('1e' || repeat('9', 100000)) AS exponent;
SELECT pat_create_admin_token('regress-root', '*:*.regress-root') IS NOT NULL AS made;
CREATE FUNCTION pg_temp.outcome(role text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN pat_create_service_account(format('{"username":"regress %s","name":"","rootRole":%s}', left(role, 20), role)::json, '*:*.regress-root')->>'rootRole';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || left(SQLERRM, 60);
END
$$;
SELECT left(role, 20) AS role, pg_temp.outcome(role) FROM unnest(ARRAY['3', '3.0', '3e0', '30e-1', '0.3E1', '3.5', '1e1', '1e1000000',
    '-0', 'true', 'null', '[3]', '3.' || repeat('0', 90000), '3' || repeat('0', 90000) || 'e-90000', repeat('9', 90000), '1e' || repeat('9', 90000)]) role;
SELECT pat_create_service_account('{"username":"regress-bot","name":"","rootRole":3}', '*:*.regress-root')->>'id' AS bot \gset
SELECT pat_update_service_account(:'bot', '{"rootRole":20e-1}', '*:*.regress-root')->>'rootRole' AS role;
ROLLBACK;
