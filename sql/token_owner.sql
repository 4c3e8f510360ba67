-- E5: the owner ends and deletes tokens by functions, of which each change leaves its event.
BEGIN;
SELECT pat_create_account('regress-bot') AS bot \gset
SELECT pat_create_account('regress-person', is_service => false) AS person \gset
SELECT id AS bots FROM pat_create_token(:bot, 'bots', secret => 'user:regress-bot') \gset
SELECT id AS persons FROM pat_create_token(:person, 'persons', '2999-01-01T00:00:00Z', 'user:regress-person') \gset
SELECT id AS over FROM pat_create_token(:bot, 'over', '2001-01-01T00:00:00Z') \gset
SELECT pat_create_admin_token('regress-root', '*:*.regress-root') IS NOT NULL AS made;
SELECT id AS roots FROM pat_token WHERE description = 'regress-root' \gset
SELECT pat_delete_account(:person) \g /dev/null

SELECT count(*) AS events FROM pat_event \gset
SELECT pat_expire_token(:bots), pat_expire_token(:persons), pat_expire_token(:roots), pat_expire_token(:over);
-- again: nothing changes, and nothing is written
SELECT pat_expire_token(:bots);
SELECT description, expires_at = now() AS now FROM pat_token WHERE id IN (:bots, :persons, :roots, :over) ORDER BY id;
SELECT split_part(a, E'\n', 1) AS answer FROM pat_answer_list(ARRAY['user:regress-bot', '*:*.regress-root']) a;
SELECT pat_delete_token(:bots), pat_delete_token(:persons), pat_delete_token(:roots), pat_delete_token(:over);
SELECT count(*) AS left_over FROM pat_token WHERE id IN (:bots, :persons, :roots, :over);
SELECT type, created_by, token_id, data->>'description' AS description,
       (data->>'id')::integer IN (:bots, :persons, :roots, :over) AS id, (data->>'userId')::integer IN (:bot, :person, -1337) AS account
FROM (SELECT * FROM pat_event ORDER BY id OFFSET :events) e;

CREATE FUNCTION pg_temp.outcome(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'SELECT ' || call;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
SELECT pg_temp.outcome(format('pat_%s_token(%s)', verb, id))
FROM unnest('{expire,delete}'::text[]) verb, unnest('{0,-1,2147483647,NULL::integer}'::text[]) id;
-- for the owner only
SELECT has_function_privilege('pg_monitor', 'pat_expire_token(integer)', 'EXECUTE') AS expire,
       has_function_privilege('pg_monitor', 'pat_delete_token(integer)', 'EXECUTE') AS delete;
ROLLBACK;
