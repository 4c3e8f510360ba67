-- Tokens, as the owner makes them.
BEGIN;
SELECT pat_create_account('regress-bot') AS bot \gset
SELECT pat_create_account('regress-gone') AS gone \gset
SELECT pat_delete_account(:gone);
UPDATE pat_account SET id = 2147483646 WHERE id = :gone;

SELECT id AS t1, secret AS s1 FROM pat_create_token(:bot, 'first') \gset
SELECT id AS t2, secret AS s2 FROM pat_create_token(:bot, 'second', now() + interval '1 day', 'user:regress-secret',
    '2023-04-19T08:15:14Z', '2023-04-20T08:15:14Z') \gset
SELECT :t2 - :t1 AS apart, :'s1' ~ '^user:[0-9A-Za-z]{49}$' AS own_shape, :'s2' AS given;
SELECT description, secret_hash = sha256(:'s1') AS hashed, secret_sealed, created_at = now() AS created_now,
       expires_at, seen_at
FROM pat_token WHERE id = :t1;
SELECT secret_hash = sha256(:'s2') AS hashed, secret_sealed, created_at AT TIME ZONE 'UTC' AS created_at,
       expires_at = now() + interval '1 day' AS expires, seen_at AT TIME ZONE 'UTC' AS seen_at
FROM pat_token WHERE id = :t2;

SAVEPOINT s;
SELECT pat_create_token(:bot, 'first');
ROLLBACK TO s;
SELECT pat_create_token(:bot, 'third', secret => 'user:regress-secret');
ROLLBACK TO s;
SELECT pat_create_token(:bot, NULL);
ROLLBACK TO s;
SELECT pat_create_token(:bot, '');
ROLLBACK TO s;
SELECT pat_create_token(:bot, repeat('x', 256));
ROLLBACK TO s;
SELECT pat_create_token(:bot, 'third', secret => 'a b');
ROLLBACK TO s;
SELECT pat_create_token(:bot, 'third', secret => 'user:' || repeat('0', 49));
ROLLBACK TO s;
SELECT pat_create_token(:bot, 'third', secret => 'aa.bb.cc');
ROLLBACK TO s;
SELECT pat_create_token(:bot, 'third', expires_at => 'infinity');
ROLLBACK TO s;
SELECT pat_create_token(:bot, 'third', expires_at => '10000-01-01 00:00+00');
ROLLBACK TO s;
SELECT pat_create_token(:bot, 'third', created_at => '-infinity');
ROLLBACK TO s;
SELECT pat_create_token(:bot, 'third', created_at => NULL);
ROLLBACK TO s;
SELECT pat_create_token(:bot, 'third', seen_at => '0001-12-31 BC');
ROLLBACK TO s;
SELECT pat_create_token(2147483646, 'third');
ROLLBACK TO s;
SELECT pat_create_token(2147483647, 'third');
ROLLBACK TO s;
SELECT pat_create_token(NULL, 'third');
ROLLBACK TO s;
-- the same description is fine for another account, and any 255 characters are
SELECT pat_create_token(pat_create_account('regress-other'), 'first') IS NOT NULL AS other_account;
SELECT pat_create_token(:bot, repeat('😀', 255)) IS NOT NULL AS longest;

-- admin API tokens belong to the system account
SELECT pat_create_admin_token('regress-root') AS root \gset
SELECT :'root' ~ '^\*:\*\.[0-9A-Za-z]{49}$' AS own_shape;
SELECT pat_create_admin_token('regress-given', '*:*.regress-admin', '2999-12-31 23:59:59+00');
SELECT account_id, description, expires_at AT TIME ZONE 'UTC' AS expires_at
FROM pat_token WHERE account_id = -1337 ORDER BY id;
SAVEPOINT s;
SELECT pat_create_admin_token('regress-root');
ROLLBACK TO s;
SELECT pat_create_admin_token(NULL);
ROLLBACK TO s;
-- what the functions refuse, the tables refuse too
INSERT INTO pat_token (account_id, description, secret_hash, expires_at) VALUES (:bot, 'x', sha256('x'), 'infinity');
ROLLBACK TO s;
\set VERBOSITY terse
INSERT INTO pat_token (account_id, description, secret_hash) VALUES (:bot, 'x', 'x');
\set VERBOSITY default
ROLLBACK TO s;
ROLLBACK;
