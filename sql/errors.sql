-- 401 before 403 before 404, with exactly the documented messages.
BEGIN;
SELECT pat_create_account('regress-bot') AS bot \gset
SELECT pat_create_account('regress-gone') AS gone \gset
SELECT pat_create_account('regress-person', root_role => 1, is_service => false) AS person \gset
SELECT pat_create_account('regress-no-role', root_role => NULL) AS no_role \gset
SELECT pat_create_account('regress-gone-admin', root_role => 1) AS gone_admin \gset
SELECT pat_create_admin_token('regress-root', '*:*.regress-root') AS root \gset
SELECT pat_create_admin_token('regress-expired', '*:*.regress-expired', now()) AS expired \gset
SELECT secret AS viewer FROM pat_create_token(:bot, 'viewer') \gset
SELECT secret AS gone_token FROM pat_create_token(:gone_admin, 'gone') \gset
SELECT secret AS no_role_token FROM pat_create_token(:no_role, 'no role') \gset
SELECT secret AS person_token FROM pat_create_token(:person, 'person') \gset
SELECT pat_delete_account(:gone), pat_delete_account(:gone_admin);

CREATE FUNCTION pg_temp.outcome(id text, token text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text; detail text; hint text;
BEGIN
    RETURN left(pat_list_for_service_account(id, token)::text, 9);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    -- E12: a PT401, and no other error, says in a HINT what to pass
    RETURN format('%s %s: %s', SQLSTATE, detail, message) || CASE WHEN (hint ~ 'caller_token') <> (SQLSTATE = 'PT401') THEN ', but HINT: ' || hint ELSE '' END;
END
$$;

-- tokens
SELECT name, pg_temp.outcome(:'bot', token) AS outcome
FROM (VALUES (1, 'good', :'root'), (2, 'null', NULL), (3, 'empty', ''), (4, 'blanks', E' \t '),
             (5, 'scheme only', 'Bearer'), (6, 'scheme and blanks', ' bearer  '),
             (7, 'bearer', 'bearer ' || :'root'), (8, 'BEARER', E'  BEARER \t' || :'root' || '  '),
             (9, 'BeArEr', 'BeArEr ' || :'root'), (10, 'no blank', 'Bearer' || :'root'),
             (11, 'twice', 'Bearer Bearer ' || :'root'), (12, 'Basic', 'Basic ' || :'root'),
             (13, 'unknown', 'user:unknown'), (14, 'expired', :'expired'),
             (15, 'of a deleted account', :'gone_token'), (16, 'wrong checksum', overlay(:'viewer' PLACING '!' FROM 54)),
             (17, 'wrong checksum, own alphabet', 'user:' || repeat('0', 49)),
             (18, 'cut short', left(:'viewer', -1)), (19, 'upper case', upper(:'viewer')),
             (20, '1 MB', repeat('x', 1048576)), (21, 'more behind it', :'root' || 'x'),
             (22, 'two in one', :'root' || ' ' || :'root'), (23, 'not ASCII', 'user:é😀'),
             (24, 'hash as token', encode(sha256(:'root'), 'hex')),
             (25, 'no ADMIN', :'viewer'), (26, 'no role', :'no_role_token'), (27, 'person', :'person_token')
     ) AS t(n, name, token)
ORDER BY n;

-- ids
SELECT name, pg_temp.outcome(id, :'root') AS outcome
FROM (VALUES (1, 'good', :'bot'), (2, 'null', NULL), (3, 'empty', ''), (4, 'letters', 'abc'), (5, 'negative', '-1'),
             (6, 'zero', '0'), (7, 'fraction', '1.0'), (8, 'blank before', ' 1'), (9, 'leading zero', '01'),
             (10, 'plus', '+1'), (11, 'too large', '99999999999999999999'), (12, 'just too large', '2147483648'),
             (13, 'largest', '2147483647'), (14, 'encoded', '%31'), (15, 'hex', '0x1'), (16, 'exponent', '1e0'),
             (17, 'system account', '-1337'), (18, 'other digits', '١'), (19, 'injection', '1; DROP TABLE pat_token'),
             (20, 'quotes', $q$"'\$q$)
     ) AS t(n, name, id)
ORDER BY n;
SELECT replace(pg_temp.outcome(:'person', :'root'), :'person', 'N') AS person,
       replace(pg_temp.outcome(:'gone', :'root'), :'gone', 'N') AS deleted,
       length(pg_temp.outcome(repeat('é', 1000000), :'root')) AS long_id;

-- the same through the other overload
SELECT pat_list_for_service_account(-1::bigint, '*:*.regress-root');
ROLLBACK;
BEGIN;
SELECT pat_create_admin_token('regress-root', '*:*.regress-root');
SAVEPOINT s;
SELECT pat_list_for_service_account((-9223372036854775808)::bigint, '*:*.regress-root');
ROLLBACK TO s;
SELECT pat_list_for_service_account(NULL::bigint, '*:*.regress-root');
ROLLBACK TO s;
SELECT pat_list_for_service_account(1::bigint, NULL);
ROLLBACK TO s;

-- 401 before 404, 403 before 404: nothing is learnt about which ids exist
SELECT pat_list_for_service_account('abc', 'user:unknown');
ROLLBACK TO s;
SELECT pat_create_token(pat_create_account('regress-viewer'), 'v', secret => 'user:regress-viewer') IS NOT NULL AS made;
SELECT pat_list_for_service_account('abc', 'user:regress-viewer');
ROLLBACK;
-- C11: an error of the API has message, DETAIL and HINT, and no CONTEXT, however the query is planned
SELECT pat_raise(404, 'NotFoundError', 'A message.');
SELECT pat_raise(400, 'BadDataError', 'A message.') FROM pg_class LIMIT 1;
