-- The functions that answer say what those that raise do, and never raise.
-- C11: in parallel mode no use of a token is noted; the other tests run in it, too (make check ONLY=parallel)
SELECT set_config(name, 'off', false) FROM pg_settings WHERE name IN ('debug_parallel_query', 'force_parallel_mode') \g /dev/null
BEGIN;
-- what is compared holds seen_at, and the tests may take minutes (make check-assert ONLY=caches)
SET LOCAL pat.seen_resolution = '24h';
SELECT pat_create_account('regress-bot') AS bot \gset
SELECT pat_create_account('regress-person', is_service => false) AS person \gset
SELECT 1 FROM pat_create_token(:bot, 'viewer', NULL, 'user:regress-viewer');
SELECT 1 FROM pat_create_token(:person, 'own', NULL, 'user:regress-person');
SELECT pat_create_admin_token('regress-root', '*:*.regress-root');
UPDATE pat_token SET seen_at = now();

-- what the raising one does, in the form of an answer
CREATE FUNCTION pg_temp.outcome(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text; message text; detail text;
BEGIN
    EXECUTE 'SELECT ' || command INTO result;
    RETURN E'200\n' || result;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
    RETURN format(E'%s %s\n%s', substr(SQLSTATE, 3), detail, message);
END
$$;

-- without the ids of the caller, which the raising one does not tell
CREATE FUNCTION pg_temp.anonymous(answer text) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(answer, '^(\d+(?: [A-Za-z]+)?) -?\d+ (?:\d+|-)\n', E'\\1\n')
$$;

SELECT count(*) AS cases, count(*) FILTER (WHERE pg_temp.anonymous(answer) = expected) AS same, count(DISTINCT answer) AS answers
FROM unnest(ARRAY[:'bot', :'person', '', NULL, 'abc', '0', E'a\nb', repeat('é', 1000)]) id,
     unnest(ARRAY['*:*.regress-root', 'user:regress-viewer', 'user:unknown', '', NULL, 'Bearer *:*.regress-root']) token,
     pat_answer_list_for_service_account(id, token) answer,
     pg_temp.outcome(format('pat_list_for_service_account(%L::text, %L)', id, token)) expected;
SELECT count(*) AS cases, count(*) FILTER (WHERE pg_temp.anonymous(answer) = expected) AS same, count(DISTINCT answer) AS answers
FROM unnest(ARRAY['*:*.regress-root', 'user:regress-viewer', 'user:regress-person', 'user:unknown', '', NULL]) token,
     pat_answer_list(token) answer, pg_temp.outcome(format('pat_list(%L)', token)) expected;

SELECT pat_answer_list_for_service_account('abc', 'user:unknown');
SELECT pat_answer_list_for_service_account('abc', NULL);
-- who it was stands in the first line, once he is known: account and token
CREATE FUNCTION pg_temp.first_line(answer text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(coalesce((SELECT a.username || ' ' || coalesce(t.description, 'admin')
                                FROM pat_token t JOIN pat_account a ON a.id = t.account_id
                                WHERE format('%s %s', a.id, t.id) = substring(line, '-?\d+ \d+$')), 'nobody')
        || ': ' || regexp_replace(line, ' -?\d+ \d+$', ''), '')
    FROM split_part(answer, E'\n', 1) line
$$;
SELECT pg_temp.first_line(pat_answer_list_for_service_account(id, token))
FROM (VALUES (:'bot', '*:*.regress-root'), ('abc', '*:*.regress-root'), (:'bot', 'user:regress-viewer'),
    ('0', 'user:regress-person'), (:'bot', 'user:unknown'), (:'bot', NULL)) AS call (id, token);
SELECT pg_temp.first_line(pat_answer_list(token))
FROM unnest(ARRAY['user:regress-viewer', 'user:regress-person', '*:*.regress-root', 'user:unknown']) token;

-- many requests at once: a row for each, in their order, and each as if it were alone
SELECT count(*) AS cases, count(*) FILTER (WHERE together = alone) AS same, count(DISTINCT together) AS answers
FROM (SELECT array_agg(id ORDER BY n, m) AS ids, array_agg(token ORDER BY n, m) AS tokens
      FROM unnest(ARRAY[:'bot', :'person', '', NULL, 'abc', '0', E'a\nb', repeat('é', 1000)]) WITH ORDINALITY AS i (id, m),
           unnest(ARRAY['*:*.regress-root', 'user:regress-viewer', 'user:unknown', '', NULL, 'Bearer *:*.regress-root']) WITH ORDINALITY AS t (token, n)
     ) AS requests,
     ROWS FROM (unnest(ids), unnest(tokens), pat_answer_list_for_service_account(ids, tokens)) AS row (id, token, together),
     pat_answer_list_for_service_account(id, token) AS alone;
SELECT count(*) AS cases, count(*) FILTER (WHERE together = pat_answer_list(token)) AS same, count(DISTINCT together) AS answers
FROM (VALUES (ARRAY['user:regress-viewer', 'user:regress-viewer', 'user:regress-person', '*:*.regress-root', '*:*.regress-root',
                    'user:unknown', 'user:unknown', NULL, NULL, '', 'user:regress-viewer', 'user:regress-viewe'])) AS requests (tokens),
     ROWS FROM (unnest(tokens), pat_answer_list(tokens)) AS row (token, together);
-- whatever holds answers can be sent in binary
SELECT sum(octet_length(answer) + 4) + 20 = length(array_send(array_agg(answer))) AS as_array, count(record_send(row(answer))) AS rows
FROM pat_answer_list(ARRAY['user:unknown', 'user:regress-person', NULL]) AS answer;
-- the caller is looked up once, and is the caller of all; every request counts
SELECT pat_stat_reset();
SELECT count(*), count(DISTINCT pg_temp.first_line(answer)) AS callers
FROM pat_answer_list_for_service_account(array_fill(:'bot'::text, ARRAY[100]), array_fill('*:*.regress-root'::text, ARRAY[100])) AS answer;
SELECT calls FROM pat_stat;
-- who is refused is asked again: nobody slips in behind somebody who may
SELECT pg_temp.first_line(answer) FROM pat_answer_list_for_service_account(
    array_fill(:'bot'::text, ARRAY[7]),
    ARRAY['*:*.regress-root', 'user:regress-viewer', 'user:regress-viewer', '*:*.regress-root', '*:*.regress-rooT', NULL, '*:*.regress-root']) AS answer;
-- one mark for a token that is used many times
UPDATE pat_token SET seen_at = NULL;
SELECT count(*) FROM pat_answer_list(ARRAY['user:regress-person', 'user:regress-viewer', 'user:regress-person']);
SELECT count(seen_at) AS seen FROM pat_token;
-- bad calls
SELECT count(*) FROM pat_answer_list('{}'::text[]);
SELECT count(*) FROM pat_answer_list(NULL::text[]);
SAVEPOINT refused;
SELECT pat_answer_list_for_service_account('{1,2}'::text[], '{x}'::text[]);
ROLLBACK TO refused;
SELECT pat_answer_list('{{x,y},{z,u}}'::text[]);
ROLLBACK TO refused;

-- a statement that ends early, at a row that fails, or again and again leaves nothing open
SELECT pg_temp.first_line(pat_answer_list(ARRAY['user:regress-person', 'user:unknown', 'user:regress-viewer'])) LIMIT 2;
SELECT pg_temp.first_line(pat_answer_list(ARRAY['user:regress-viewer', 'user:regress-person'])), 1 / (2 - generate_series(1, 2));
ROLLBACK TO refused;
SELECT n, (SELECT pg_temp.first_line(answer)
           FROM (SELECT pat_answer_list_for_service_account(ARRAY[n::text, :'bot'], ARRAY['user:unknown', '*:*.regress-root']) AS answer OFFSET n) AS late
           LIMIT 1) AS answer
FROM generate_series(0, 2) AS n;
-- A1: a call in the midst of one, by a function that an index runs when seen_at is written, has scans of its own
CREATE FUNCTION pg_temp.call(seen timestamptz) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE WHEN seen IS NOT NULL THEN length(public.pat_list_for_service_account(current_setting('regress_pat.bot'), '*:*.regress-root')::text) END;
END
$$;
SET LOCAL regress_pat.bot = :bot;
UPDATE pat_token SET seen_at = NULL;
CREATE INDEX regress_pat_call ON pat_token (pg_temp.call(seen_at));
SELECT pg_temp.first_line(pat_answer_list_for_service_account(ARRAY[:'bot', :'bot', '0'], ARRAY['user:regress-viewer', '*:*.regress-root', '*:*.regress-root']));
SELECT pg_temp.first_line(pat_answer_list(ARRAY['user:regress-person', 'user:regress-viewer', 'user:regress-person']));
SELECT count(*) AS seen FROM pat_token WHERE seen_at IS NOT NULL AND secret_hash IN (sha256('user:regress-person'), sha256('user:regress-viewer'));
ROLLBACK TO refused;
DROP INDEX pat_token_account_id_id_idx;
SELECT pat_answer_list(ARRAY['user:regress-viewer', 'user:regress-person']);
ROLLBACK TO refused;
SELECT pg_temp.first_line(pat_answer_list('user:regress-viewer'));
-- two statements at once, one of them left behind, and a change meanwhile: each sees what it saw when it began
DECLARE early CURSOR FOR SELECT pg_temp.first_line(pat_answer_list(array_fill('user:regress-person'::text, ARRAY[3])));
DECLARE left_behind CURSOR FOR SELECT pg_temp.first_line(pat_answer_list(array_fill('user:regress-viewer'::text, ARRAY[3])));
FETCH early;
FETCH left_behind;
UPDATE pat_token SET secret_hash = sha256('user:regress-renamed') WHERE secret_hash = sha256('user:regress-person');
SELECT pg_temp.first_line(pat_answer_list(ARRAY['user:regress-person', 'user:regress-renamed']));
FETCH ALL early;
CLOSE left_behind;
ROLLBACK TO refused;

-- the same of functions that raise, beside the call and to the end of the transaction
SELECT made IS NOT NULL AS made, pg_temp.first_line('200 ' || pat_last_caller())
FROM pat_create('{"description":"d","expiresAt":"2099-01-01T00:00:00Z"}', 'user:regress-person') AS made;
SELECT pg_temp.first_line('200 ' || pat_last_caller()) FROM pat_delete_service_account(:'bot', '*:*.regress-root');
SELECT pg_temp.first_line('200 ' || pat_last_caller());
SELECT split_part(pat_answer_list('user:unknown'), E'\n', 1) AS first_line, pat_last_caller() IS NULL AS forgotten;
SELECT count(*) FROM pat_list('user:regress-person');
SELECT pat_last_caller() IS NOT NULL AS known;
SAVEPOINT refused;
SELECT pat_list('user:unknown');
ROLLBACK TO refused;
SELECT pat_last_caller() IS NULL AS forgotten;
-- a refusal leaves no trace but the caller's seen_at
UPDATE pat_token SET seen_at = NULL;
SELECT pg_temp.first_line(pat_answer_list_for_service_account('0', 'user:regress-person'));
SELECT seen_at IS NULL AS unseen FROM pat_token WHERE secret_hash = sha256('user:regress-person');
SELECT count(*) FROM pat_list('user:regress-person');
ROLLBACK;
SELECT pat_last_caller() IS NULL AS forgotten;
