-- The list: what it shows, and for whom.
SET timezone = 'Asia/Kathmandu';
BEGIN;
SELECT pat_create_account('regress-bot', root_role => 1) AS bot \gset
SELECT pat_create_account('regress-empty') AS empty \gset
SELECT pat_create_account('regress-person', root_role => 1, is_service => false) AS person \gset
SELECT pat_create_admin_token('regress-root', '*:*.regress-root') AS root \gset
-- ids of the tests do not matter, their order does
CREATE FUNCTION pg_temp.list(id text) RETURNS text LANGUAGE sql AS
$$ SELECT regexp_replace(regexp_replace(pat_list_for_service_account($1, '*:*.regress-root')::text,
                                        '"id":[0-9]+', '"id":N', 'g'), '"userId":[0-9]+', '"userId":N', 'g') $$;

SELECT pg_temp.list(:'empty');
SELECT 1 FROM pat_create_token(:bot, 'first', '2023-04-19T08:15:14Z', NULL, '2023-04-19T08:15:14Z', '2023-04-19T08:15:14Z');
SELECT pg_temp.list(:'bot');
SELECT 1 FROM pat_create_token(:bot, 'second', NULL, 'user:regress-bot', '2023-04-19T08:15:14.999999Z');
SELECT 1 FROM pat_create_token(:bot, E'" \\ \b\f\n\r\t\x01\x1f\x7f / é 𝄞 </script>', '9999-12-31T23:59:59.999999Z', NULL,
                               '0001-01-01T00:00:00Z', '1969-12-31T23:59:59.9999Z');
SELECT 1 FROM pat_create_token(:bot, 'leap', '2000-02-29T12:00:00+14', NULL, '1900-03-01T00:00:00Z');
SELECT pg_temp.list(:'bot');
SELECT json_typeof(pat_list_for_service_account(:'bot', :'root')->'pats'),
       pat_list_for_service_account(:'bot', :'root')->'pats'->2->>'description' = E'" \\ \b\f\n\r\t\x01\x1f\x7f / é 𝄞 </script>' AS round_trip;
-- the number as a number, and the same bytes
SELECT pat_list_for_service_account(:bot, :'root')::text = pat_list_for_service_account(:'bot', :'root')::text AS same;
-- a service account with ADMIN may list itself and others
SELECT json_array_length(pat_list_for_service_account(:'bot', 'user:regress-bot')->'pats');
SELECT json_array_length(pat_list_for_service_account(:'empty', 'user:regress-bot')->'pats');
-- ordered by id, whatever the order in the heap
UPDATE pat_token SET description = description || '!' WHERE account_id = :bot AND description IN ('first', 'leap');
SELECT p->>'description' FROM json_array_elements(pat_list_for_service_account(:'bot', :'root')->'pats') p;
-- in a view, a function, a cursor, a subquery for many accounts
CREATE TEMP VIEW regress_pat_view AS
    SELECT a.username, json_array_length(pat_list_for_service_account(a.id, '*:*.regress-root')->'pats') AS n
    FROM pat_account a WHERE a.is_service AND a.username LIKE 'regress-%';
SELECT * FROM regress_pat_view ORDER BY username;
DECLARE c CURSOR FOR SELECT json_array_length(pat_list_for_service_account(:'bot', :'root')->'pats');
FETCH c;
ROLLBACK;
