-- The functions that answer say what those that raise do, and never raise.
BEGIN;
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

SELECT count(*) AS cases, count(*) FILTER (WHERE answer = expected) AS same, count(DISTINCT answer) AS answers
FROM unnest(ARRAY[:'bot', :'person', '', NULL, 'abc', '0', E'a\nb', repeat('é', 1000)]) id,
     unnest(ARRAY['*:*.regress-root', 'user:regress-viewer', 'user:unknown', '', NULL, 'Bearer *:*.regress-root']) token,
     pat_answer_list_for_service_account(id, token) answer,
     pg_temp.outcome(format('pat_list_for_service_account(%L::text, %L)', id, token)) expected;
SELECT count(*) AS cases, count(*) FILTER (WHERE answer = expected) AS same, count(DISTINCT answer) AS answers
FROM unnest(ARRAY['*:*.regress-root', 'user:regress-viewer', 'user:regress-person', 'user:unknown', '', NULL]) token,
     pat_answer_list(token) answer, pg_temp.outcome(format('pat_list(%L)', token)) expected;

SELECT pat_answer_list_for_service_account('abc', '*:*.regress-root');
SELECT pat_answer_list_for_service_account('abc', 'user:unknown');
SELECT split_part(pat_answer_list_for_service_account(:'bot', '*:*.regress-root'), E'\n', 1) AS first_line;
-- a refusal leaves no trace but the caller's seen_at
UPDATE pat_token SET seen_at = NULL;
SELECT split_part(pat_answer_list_for_service_account('0', 'user:regress-viewer'), E'\n', 1) AS first_line;
SELECT seen_at IS NULL AS unseen FROM pat_token WHERE secret_hash = sha256('user:regress-viewer');
ROLLBACK;
