-- The audit trail: every change, who, with which token, and no secret.
BEGIN;
SELECT pat_create_admin_token('regress-root', '*:*.regress-root') AS root \gset
SELECT id AS root_id FROM pat_token WHERE description = 'regress-root' \gset
SELECT pat_create_service_account('{"username":"regress-bot","name":"Bot","rootRole":1}', :'root')->>'id' AS bot \gset
SELECT made->>'id' AS t1, made->>'secret' AS s1
FROM pat_create_for_service_account(:'bot', '{"description":"one","expiresAt":"2999-01-01T00:00:00Z"}', :'root') made \gset
SELECT pat_update_service_account(:'bot', '{"name":"B"}', :'s1') IS NOT NULL AS updated;
-- nothing asked for, nothing changed, nothing written
SELECT pat_update_service_account(:'bot', '{}', :'s1') IS NOT NULL AS updated;
SELECT pat_create_account('regress-person', is_service => false) AS person \gset
SELECT id AS login FROM pat_create_token(:person, 'login', NULL, 'user:regress-person') \gset
SELECT made->>'id' AS t2 FROM pat_create('{"description":"two","expiresAt":"2999-01-01T00:00:00Z"}', 'user:regress-person') made \gset
SELECT pat_delete(:'t2', 'user:regress-person');
SELECT pat_delete_for_service_account(:'bot', :'t1', :'root');
SELECT pat_delete_service_account(:'bot', :'root');
SELECT pat_delete_account(:person);
SELECT type, created_by_username, token_id = :root_id AS by_root, token_id = :t1 AS by_one, token_id = :login AS by_login,
       created_at = now() AS now, data - 'id' - 'userId' - 'expiresAt' AS data
FROM pat_event_log;
-- ids that the events tell
SELECT (SELECT array_agg(DISTINCT data->>'id') FROM pat_event WHERE type LIKE 'service-account-_pdated' OR type LIKE 'service-account-created') = ARRAY[:'bot'] AS accounts,
       (SELECT data->>'userId' = :'bot' AND (data->>'expiresAt')::timestamptz = '2999-01-01 00:00+00' FROM pat_event WHERE data->>'id' = :'t1' AND type = 'service-account-token-created') AS token;
SELECT count(*) AS with_a_secret FROM pat_event
WHERE data::text LIKE '%' || :'s1' || '%' OR data::text LIKE '%regress-root%' AND type <> 'api-token-created'
   OR data::text LIKE '%' || encode(sha256(:'s1'), 'hex') || '%';

-- what fails leaves no trace
SELECT count(*) AS events FROM pat_event \gset
SAVEPOINT s;
SELECT pat_create_for_service_account('0', '{}', :'root');
ROLLBACK TO s;
SELECT pat_delete('0', 'user:regress-person');
ROLLBACK TO s;
SELECT count(*) = :events AS unchanged FROM pat_event;
-- retention is one DELETE
INSERT INTO pat_event (type, created_at) VALUES ('old', now() - interval '2 years');
DELETE FROM pat_event WHERE created_at < now() - interval '1 year';
SELECT count(*) AS old_ones FROM pat_event WHERE type = 'old';
ROLLBACK;
