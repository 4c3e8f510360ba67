-- Service accounts through the API: create, list, update, delete.
BEGIN;
CREATE FUNCTION pg_temp.outcome(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text; message text; detail text;
BEGIN
    EXECUTE 'SELECT ' || command INTO result;
    RETURN result;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
    RETURN CASE WHEN SQLSTATE LIKE 'PT%' THEN format('%s %s: %s', SQLSTATE, detail, message) ELSE SQLSTATE END;
END
$$;
CREATE FUNCTION pg_temp.plain(j json) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(regexp_replace(regexp_replace(j::text, '"(id|userId)":[0-9]+', '"\1":N', 'g'),
                                         '"(createdAt|seenAt)":"[^"]*"', '"\1":T', 'g'), 'avatar/[0-9a-f]*', 'avatar/H', 'g') $$;
SELECT pat_create_admin_token('regress-root', '*:*.regress-root') AS root \gset
SELECT pg_temp.plain(pat_list_service_accounts(:'root'));

-- create
SELECT pat_create_service_account('{"username": "Regress-Bot", "name": "A \"bot\" 𝄞", "rootRole": 2, "id": 7, "tokens": [1]}', :'root') AS made \gset
SELECT pg_temp.plain(:'made');
SELECT (:'made'::json->>'createdAt')::timestamptz = date_trunc('milliseconds', now()) AS created,
       :'made'::json->>'imageUrl' = format('https://gravatar.com/avatar/%s?s=42&d=retro&r=g', encode(sha256('regress-bot'), 'hex')) AS image;
SELECT :'made'::json->>'id' AS bot \gset
SELECT username, name, root_role, is_service, is_system FROM pat_account WHERE id = :bot;
SELECT body, pg_temp.outcome(format($$pg_temp.plain(pat_create_service_account(%L, '*:*.regress-root'))$$, body))
FROM unnest(ARRAY['{"username":"Regress-Bot","name":"","rootRole":1}', '{"username":"regress-bot","name":"","rootRole":1}',
                  '{"username":"a","name":"b","rootRole":1.0}',
                  '{}', '[]', '{"username":"x"}', '{"username":"x","name":"y"}', '{"name":"y","rootRole":1}',
                  '{"username":1,"name":"y","rootRole":1}', '{"username":"x","name":null,"rootRole":1}',
                  '{"username":"","name":"y","rootRole":1}', '{"username":"x","name":"y","rootRole":"1"}',
                  '{"username":"x","name":"y","rootRole":1.5}', '{"username":"x","name":"y","rootRole":1e0}',
                  '{"username":"x","name":"y","rootRole":1e400000}', '{"username":"x","name":"y","rootRole":99999999999999999999}',
                  '{"username":"x","name":"y","rootRole":-1}', '{"username":"x","name":"y","rootRole":99}',
                  '{"username":"x","name":"y","rootRole":null}', '{"username":"x","username":"y","name":"y","rootRole":1}',
                  '{"username":"\u0000","name":"y","rootRole":1}', 'x']) body;
SELECT pg_temp.outcome($$pat_create_service_account('[]', NULL)$$) LIKE 'PT401%' AS nobody;
SELECT 1 FROM pat_create_token(:bot, 'login', NULL, 'user:regress-bot');
SELECT pg_temp.outcome($$pat_create_service_account('[]', 'user:regress-bot')$$) AS no_admin,
       pg_temp.outcome($$pat_list_service_accounts('user:regress-bot')$$) AS list_no_admin,
       pg_temp.outcome($$pat_list_service_accounts('')$$) LIKE 'PT401%' AS list_nobody;

-- list: each with its tokens; people, the system account and deleted ones are absent
SELECT pat_create_account('regress-person', is_service => false) AS person \gset
SELECT pat_create_account('regress-gone') AS gone \gset
SELECT pat_delete_account(:gone);
INSERT INTO pat_role (name, description) VALUES ('regress "role"', E'a\tb');
SELECT pg_temp.plain(a) AS account FROM json_array_elements(pat_list_service_accounts(:'root')->'serviceAccounts') a;
SELECT r->>'type' AS type, r->>'name' AS name, length(r->>'description') AS description
FROM json_array_elements(pat_list_service_accounts(:'root')->'rootRoles') r;
SELECT json_object_keys(pat_list_service_accounts(:'root')->'rootRoles'->0);
-- seenAt is the latest use of any of its tokens
UPDATE pat_token SET seen_at = '2023-04-19T08:15:14Z' WHERE account_id = :bot;
SELECT 1 FROM pat_create_token(:bot, 'other', seen_at => '2023-04-20T08:15:14Z');
SELECT 1 FROM pat_create_token(:bot, 'older', seen_at => '2022-04-20T08:15:14Z');
SELECT a->>'seenAt' AS seen FROM json_array_elements(pat_list_service_accounts(:'root')->'serviceAccounts') a WHERE a->>'id' = :'bot';

-- update
SELECT body, pg_temp.outcome(format($$(SELECT concat(a->>'name', ' ', a->>'rootRole', ' ', json_array_length(a->'tokens')) FROM pat_update_service_account(%L, %L, '*:*.regress-root') a)$$, :'bot', body))
FROM unnest(ARRAY['{"name":"B"}', '{"rootRole":3}', '{"name":"C","rootRole":1,"username":"ignored"}', '{}', '{"name":""}',
                  '[]', '{"name":1}', '{"name":null}', '{"rootRole":99}', '{"rootRole":"1"}', '{"name":"x","name":"y"}',
                  '{"rootRole":2147483647}', '{"rootRole":-2147483648.0}', '{"rootRole":2147483648}']) body;
SELECT username FROM pat_account WHERE id = :bot;
SELECT pg_temp.outcome(format($$pat_update_service_account(%L, json_build_object('name', repeat('x', 256)), '*:*.regress-root')$$, :'bot'));
SELECT name, replace(pg_temp.outcome(format('pat_update_service_account(%L, %L, %L)', id, '[]', token)), coalesce(nullif(id, ''), 'x'), 'N')
FROM (VALUES (1, 'nobody', :'bot', NULL), (2, 'unknown', '2147483647', '*:*.regress-root'), (3, 'person', :'person', '*:*.regress-root'),
             (4, 'deleted', :'gone', '*:*.regress-root'), (5, 'no number', 'abc', '*:*.regress-root'), (6, 'null', NULL, '*:*.regress-root')) v(n, name, id, token)
ORDER BY n;
-- the role counts from the next request on
SELECT pat_update_service_account(:'bot', '{"rootRole":3}', :'root')->>'rootRole' AS role;
SELECT pg_temp.outcome($$pat_list_service_accounts('user:regress-bot')$$);
SELECT pat_update_service_account(:'bot', '{"rootRole":1}', :'root')->>'rootRole' AS role;
SELECT pg_temp.outcome($$json_array_length(pat_list_service_accounts('user:regress-bot')->'serviceAccounts')$$);

-- delete
SELECT name, replace(pg_temp.outcome(format('pat_delete_service_account(%L, %L)', id, token)), coalesce(nullif(id, ''), 'x'), 'N')
FROM (VALUES (1, 'nobody', :'bot', 'user:unknown'), (2, 'unknown', '2147483647', '*:*.regress-root'), (3, 'person', :'person', '*:*.regress-root'),
             (4, 'deleted', :'gone', '*:*.regress-root'), (5, 'system', '-1337', '*:*.regress-root')) v(n, name, id, token)
ORDER BY n;
SELECT pat_delete_service_account(:'bot', :'root');
SELECT pg_temp.outcome($$pat_list('user:regress-bot')$$);
SELECT pg_temp.outcome(format($$pat_delete_service_account(%L, '*:*.regress-root')$$, :'bot')) LIKE 'PT404 NotFoundError: %' AS again;
SELECT pg_temp.outcome(format($$pat_list_for_service_account(%L, '*:*.regress-root')$$, :'bot')) LIKE 'PT404 NotFoundError: %' AS listed;
-- the username is free again
SELECT pat_create_service_account('{"username": "Regress-Bot", "name": "", "rootRole": 2}', :'root')->>'id' <> :'bot' AS another;
ROLLBACK;
