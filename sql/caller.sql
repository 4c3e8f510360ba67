-- pat_caller: who calls, for other SQL.
BEGIN;
INSERT INTO pat_role (name) VALUES ('regress-role') RETURNING id AS role \gset
INSERT INTO pat_role_permission VALUES (:role, 'B_PERMISSION'), (:role, 'A_PERMISSION');
SELECT pat_create_account('regress-bot', root_role => :role) AS bot \gset
SELECT pat_create_account(NULL, root_role => NULL, is_service => false) AS nobody \gset
SELECT id AS t FROM pat_create_token(:bot, 'x', '2999-01-01 00:00+00', 'user:regress-bot') \gset
SELECT id AS t2 FROM pat_create_token(:nobody, 'x', NULL, 'user:regress-nobody') \gset
SELECT pat_create_admin_token('regress-root', '*:*.regress-root');

SELECT account_id = :bot AS account, username, is_service, permissions, token_id = :t AS token,
       expires_at AT TIME ZONE 'UTC' AS expires_at
FROM pat_caller('Bearer user:regress-bot');
SELECT account_id = :nobody AS account, username, is_service, permissions, token_id = :t2 AS token, expires_at
FROM pat_caller('user:regress-nobody');
SELECT account_id, username, is_service, permissions, expires_at FROM pat_caller('*:*.regress-root');

-- a token is good until just before its expires_at: the statements of one query have one time
UPDATE pat_token SET expires_at = statement_timestamp() + interval '1 microsecond' WHERE id = :t \;
SELECT username FROM pat_caller('user:regress-bot');
SAVEPOINT s;
UPDATE pat_token SET expires_at = statement_timestamp() WHERE id = :t \;
SELECT username FROM pat_caller('user:regress-bot');
ROLLBACK TO s;
UPDATE pat_token SET expires_at = '2999-01-01 00:00+00' WHERE id = :t;

-- as a row-level policy
CREATE ROLE regress_pat_reader;
CREATE TABLE regress_pat_notes (owner integer, note text);
INSERT INTO regress_pat_notes VALUES (:bot, 'mine'), (:bot + 1000, 'not mine');
ALTER TABLE regress_pat_notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON regress_pat_notes
    USING (owner = (SELECT account_id FROM pat_caller(current_setting('request.token', true))));
GRANT SELECT ON regress_pat_notes TO regress_pat_reader;
SELECT pat_grant_api('regress_pat_reader');
SET LOCAL ROLE regress_pat_reader;
SET LOCAL request.token = 'user:regress-bot';
SELECT note FROM regress_pat_notes;
SAVEPOINT s;
SET LOCAL request.token = '';
SELECT note FROM regress_pat_notes;
ROLLBACK TO s;
SET LOCAL request.token = 'user:unknown';
SELECT note FROM regress_pat_notes;
ROLLBACK;
