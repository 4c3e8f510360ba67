-- Tokens through the API: create, list, delete.
SET timezone = 'Asia/Kathmandu';
BEGIN;
SELECT pat_create_account('regress-bot') AS bot \gset
SELECT pat_create_account('regress-other') AS other \gset
SELECT pat_create_account('regress-person', is_service => false) AS person \gset
SELECT pat_create_account('regress-gone') AS gone \gset
SELECT pat_delete_account(:gone);
SELECT 1 FROM pat_create_token(:person, 'login', NULL, 'user:regress-person');
SELECT 1 FROM pat_create_token(:bot, 'login', NULL, 'user:regress-bot');
SELECT id AS other_token FROM pat_create_token(:other, 'other', NULL, 'user:regress-other') \gset
SELECT pat_create_admin_token('regress-root', '*:*.regress-root') AS root \gset
CREATE FUNCTION pg_temp.outcome(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text; message text; detail text;
BEGIN
    EXECUTE 'SELECT ' || command INTO result;
    RETURN regexp_replace(result, '"(id|userId)":[0-9]+', '"\1":N', 'g');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
    RETURN CASE WHEN SQLSTATE LIKE 'PT%' THEN format('%s %s: %s', SQLSTATE, detail, message) ELSE SQLSTATE END;
END
$$;

-- create: patSchema with the secret, last
SELECT pat_create_for_service_account(:'bot', '{"description": "deploy", "expiresAt": "2999-01-01T00:00:00Z", "id": 5, "secret": "mine", "userId": 9, "x": [1]}', 'Bearer ' || :'root') AS made \gset
SELECT json_object_keys(:'made'::json);
SELECT :'made'::json->>'description' AS description, :'made'::json->>'expiresAt' AS expires, :'made'::json->>'userId' = :'bot' AS user,
       :'made'::json->>'seenAt' AS seen, (:'made'::json->>'createdAt')::timestamptz = date_trunc('milliseconds', now()) AS created,
       (:'made'::json->>'secret') ~ '^user:[0-9A-Za-z]{49}$' AS secret;
-- the token works at once, and the list shows it without the secret
SELECT account_id = :bot AS bot, permissions FROM pat_caller(:'made'::json->>'secret');
SELECT p->>'description' AS description, p->>'secret' AS secret, p->>'id' = :'made'::json->>'id' AS last_id
FROM json_array_elements(pat_list_for_service_account(:'bot', :'root')->'pats') p;

-- times: any offset, in the future
SELECT t, pg_temp.outcome(format($$pat_create_for_service_account(%L, %L, '*:*.regress-root')->>'expiresAt'$$, :'bot',
                                 json_build_object('description', t, 'expiresAt', t)))
FROM unnest(ARRAY['2999-01-01T00:00:00Z', '2999-01-01t00:00:00z', '2999-01-01T00:00:00+05:45', '2999-01-01T00:00:00-23:59',
                  '2999-01-01T00:00:00.123456789Z', '2999-02-28T23:59:60Z', '2024-02-29T00:00:00Z', '9999-12-31T23:59:59.999Z',
                  '2999-01-01 00:00:00Z', '2999-01-01T00:00:00', '2999-01-01', '2999-02-29T00:00:00Z', '2999-13-01T00:00:00Z',
                  '2999-01-01T24:00:00Z', '2999-01-01T00:60:00Z', '2999-01-01T00:00:00+24:00', '2999-01-01T00:00:00+0545',
                  '9999-12-31T23:59:59-00:01', '9999-12-31T23:59:60Z', '0000-01-01T00:00:00Z', '99999-01-01T00:00:00Z', 'infinity',
                  'tomorrow', 'now', '', '1e10', '2999-01-01T00:00:00ZZ', E'2999-01-01T00:00:00Z\n', '٢٩٩٩-01-01T00:00:00Z',
                  '2999-01-01T00:00:00.' || repeat('0', 21) || 'Z', '+2999-01-01T00:00:00Z']) t;
SELECT pg_temp.outcome(format($$pat_create_for_service_account(%L, %L, '*:*.regress-root')$$, :'bot',
                              json_build_object('description', 'x', 'expiresAt', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))));

-- bodies
SELECT body, pg_temp.outcome(format($$pat_create_for_service_account(%L, %L, '*:*.regress-root')$$, :'bot', body))
FROM unnest(ARRAY['{}', '[]', 'null', '1', '"x"', '{"description":"x"}', '{"expiresAt":"2999-01-01T00:00:00Z"}',
                  '{"description":null,"expiresAt":"2999-01-01T00:00:00Z"}', '{"description":1,"expiresAt":"2999-01-01T00:00:00Z"}',
                  '{"description":{},"expiresAt":"2999-01-01T00:00:00Z"}', '{"description":true,"expiresAt":"2999-01-01T00:00:00Z"}',
                  '{"description":"x","expiresAt":1}', '{"description":"x","expiresAt":null}',
                  '{"description":"","expiresAt":"2999-01-01T00:00:00Z"}',
                  '{"description":"x","description":"y","expiresAt":"2999-01-01T00:00:00Z"}',
                  '{"x":1,"description":"x","expiresAt":"2999-01-01T00:00:00Z","x":2}',
                  '{"description":"\u0000","expiresAt":"2999-01-01T00:00:00Z"}', '{"description":"\ud800","expiresAt":"2999-01-01T00:00:00Z"}',
                  '{"a":"\ud83d\ude00","b":"\"\\","c" : "x\u0000","expiresAt":""}', '{"a":"\udc00"}',
                  '{"\u0000":1,"description":"x","expiresAt":"2999-01-01T00:00:00Z"}',
                  '{"description":"x","expiresAt":"2999-01-01T00:00:00Z"', '{"description":"x","expiresAt":"2999-01-01T00:00:00Z"} x', '']) body;
SELECT pg_temp.outcome(format($$pat_create_for_service_account(%L, NULL, '*:*.regress-root')$$, :'bot'));
SELECT pg_temp.outcome(format($$pat_create_for_service_account(%L, json_build_object('description', repeat('x', 256), 'expiresAt', '2999-01-01T00:00:00Z'), '*:*.regress-root')$$, :'bot'));
SELECT pg_temp.outcome(format($$pat_create_for_service_account(%L, json_build_object('x', repeat('x', 102400)), '*:*.regress-root')$$, :'bot'));
SELECT pg_temp.outcome(format($$pat_create_for_service_account(%L, json_build_object('description', 'large', 'expiresAt', '2999-01-01T00:00:00Z', 'x', repeat('x', 102300)), '*:*.regress-root')->>'description'$$, :'bot'));
SELECT pg_temp.outcome(format($$pat_create_for_service_account(%L, '{"description":"\u0022\\\u001f\ud834\udd1e","expiresAt":"2999-01-01T00:00:00Z"}', '*:*.regress-root')->>'description'$$, :'bot'));

-- taken description
SELECT pg_temp.outcome(format($$pat_create_for_service_account(%L, '{"description":"deploy","expiresAt":"2999-01-01T00:00:00Z"}', '*:*.regress-root')$$, :'bot'));

-- the order of the checks
SELECT CASE id WHEN :'bot' THEN 'bot' ELSE id END AS id, token, body, replace(replace(pg_temp.outcome(format('pat_create_for_service_account(%L, %L, %L)', id, body, token)), :'person', 'P'), :'gone', 'G')
FROM (VALUES ('abc', '', '[]'), ('abc', 'user:unknown', '[]'), ('abc', 'user:regress-bot', '[]'), ('abc', '*:*.regress-root', '[]'),
             (:'bot', 'user:regress-bot', '[]')) v(id, token, body);
SELECT replace(pg_temp.outcome(format($$pat_create_for_service_account(%L, '[]', '*:*.regress-root')$$, :'person')), :'person', 'N') AS person,
       replace(pg_temp.outcome(format($$pat_create_for_service_account(%L, '[]', '*:*.regress-root')$$, :'gone')), :'gone', 'N') AS gone;

-- too many: expired ones do not count, 0 is no limit
SELECT pat_create_account('regress-full') AS "full" \gset
SELECT count(pat_create_token(:full, 'expired ' || i, now())) FROM generate_series(1, 3) i;
SELECT count(pat_create_token(:full, 'valid ' || i)) FROM generate_series(1, 2) i;
SET LOCAL pat.max_tokens_per_account = 3;
CREATE FUNCTION pg_temp.fill(full_id text, d text) RETURNS text LANGUAGE sql AS
$$ SELECT pg_temp.outcome(format('pat_create_for_service_account(%L, %L, %L)->>''description''', full_id, json_build_object('description', d, 'expiresAt', '2999-01-01T00:00:00Z'), '*:*.regress-root')) $$;
SELECT pg_temp.fill(:'full', 'third');
SELECT pg_temp.fill(:'full', 'fourth');
SELECT pg_temp.fill(:'full', 'third');
SET LOCAL pat.max_tokens_per_account = 0;
SELECT pg_temp.fill(:'full', 'fourth');
SET LOCAL pat.max_tokens_per_account = 2;
SELECT pg_temp.fill(:'full', 'fifth');
RESET pat.max_tokens_per_account;

-- delete
SELECT :'made'::json->>'id' AS made_id, :'made'::json->>'secret' AS made_secret \gset
SELECT name, replace(pg_temp.outcome(format('pat_delete_for_service_account(%L, %L, %L)', id, token_id, token)), token_id, 'T')
FROM (VALUES (1, 'no token', :'bot', :'made_id', NULL), (2, 'no ADMIN', :'bot', :'made_id', 'user:regress-bot'),
             (3, 'no account', '0', :'made_id', '*:*.regress-root'), (4, 'other account', :'other', :'made_id', '*:*.regress-root'),
             (5, 'unknown', :'bot', '2147483647', '*:*.regress-root'), (6, 'no number', :'bot', 'abc', '*:*.regress-root'),
             (7, 'leading zero', :'bot', '0' || :'made_id', '*:*.regress-root'), (8, 'null', :'bot', NULL, '*:*.regress-root'),
             (9, 'long', :'bot', repeat('9', 1000), '*:*.regress-root')) v(n, name, id, token_id, token)
ORDER BY n;
SELECT pat_delete_for_service_account(:'bot', :'made_id', :'root');
SELECT pg_temp.outcome(format('pat_caller(%L)', :'made_secret'));
SELECT pg_temp.outcome(format($$pat_delete_for_service_account(%L, %L, '*:*.regress-root')$$, :'bot', :'made_id')) LIKE 'PT404 NotFoundError: %' AS gone;

-- the caller's own tokens
SELECT pg_temp.outcome($$pat_list('user:regress-bot')::json->'pats'->0->>'description'$$) AS service_account,
       pg_temp.outcome($$json_array_length(pat_list('user:regress-other')->'pats')$$) AS other,
       pg_temp.outcome($$pat_list('*:*.regress-root')$$) AS admin_token, pg_temp.outcome('pat_list(NULL)') LIKE 'PT401%' AS nobody;
SELECT pg_temp.outcome($$pat_create('{"description":"mine","expiresAt":"2999-01-01T00:00:00Z"}', 'user:regress-person')->>'description'$$) AS person,
       pg_temp.outcome($$pat_create('{}', 'user:regress-bot')$$) AS service_account,
       pg_temp.outcome($$pat_create('{}', '*:*.regress-root')$$) AS admin_token,
       pg_temp.outcome($$pat_create('{}', '')$$) LIKE 'PT401%' AS nobody;
SELECT pg_temp.outcome($$pat_create('{"description":"mine","expiresAt":"2999-01-01T00:00:00Z"}', 'user:regress-person')$$) AS again,
       pg_temp.outcome($$pat_create('{}', 'user:regress-person')$$) AS empty;
SELECT p->>'description' AS description FROM json_array_elements(pat_list('user:regress-person')->'pats') p;
-- another's token is a 404 and stays
SELECT replace(pg_temp.outcome(format('pat_delete(%L, %L)', :'other_token', 'user:regress-person')), :'other_token', 'T') AS other,
       pg_temp.outcome(format('pat_delete(%L, %L)', :'other_token', '*:*.regress-root')) AS admin_token,
       pg_temp.outcome($$pat_delete('abc', 'user:regress-person')$$) AS no_number, pg_temp.outcome($$pat_delete(NULL, NULL)$$) LIKE 'PT401%' AS nobody;
SELECT count(*) AS still_there FROM pat_token WHERE id = :other_token;
SELECT id AS mine FROM pat_token WHERE account_id = :person AND description = 'mine' \gset
SELECT pat_delete(:'mine', 'user:regress-person');
SELECT json_array_length(pat_list('user:regress-person')->'pats') AS left_over;
-- even the one in use, and a service account its own
SELECT id AS login FROM pat_token WHERE account_id = :bot AND description = 'login' \gset
SELECT pat_delete(:'login', 'user:regress-bot');
SELECT pg_temp.outcome($$pat_list('user:regress-bot')$$);
ROLLBACK;
