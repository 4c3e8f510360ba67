-- The accounts and tokens that the benchmark works on. Times have milliseconds only, so that
-- every contender prints them alike.
--
--      1 ..  1000  service accounts of 10 tokens
--   1001 ..  1020  service accounts of 1000 tokens
--   2001 ..  3000  service accounts of 1 token
--   4001 ..  5000  service accounts that the write benchmark fills and empties
--  10001 .. 20000  administrators, each with a token "user:bench-caller-N"
--  20001           one with a hundred tokens "user:bench-other-N", last seen in the future: never due

CREATE EXTENSION pat;
CREATE ROLE pat_bridge LOGIN;
SELECT pat_grant_api('pat_bridge') \g /dev/null
ALTER ROLE pat_bridge SET log_parameter_max_length = 0;
ALTER ROLE pat_bridge SET log_parameter_max_length_on_error = 0;

INSERT INTO pat_account (id, username, name, is_service, root_role)
    SELECT id, 'service-' || id, 'Service ' || id, true, 3
    FROM (SELECT generate_series(1, 1020) UNION ALL SELECT generate_series(2001, 3000)
          UNION ALL SELECT generate_series(4001, 5000)) AS ids (id);
INSERT INTO pat_account (id, username, name, root_role)
    SELECT id, 'admin-' || id, 'Administrator ' || id, 1 FROM generate_series(10001, 20001) AS id;
SELECT setval(pg_get_serial_sequence('pat_account', 'id'), 20001) \g /dev/null

CREATE TABLE bench_account AS
    SELECT id, CASE WHEN id <= 1000 THEN 10 WHEN id <= 1020 THEN 1000 ELSE 1 END AS tokens
    FROM pat_account WHERE id BETWEEN 1 AND 3000;

-- Spread over the table as tokens made over the years are: round by round, not account by account.
INSERT INTO pat_token (account_id, description, secret_hash, created_at, expires_at, seen_at)
    SELECT a.id, 'deploy key number ' || t, sha256(format('user:bench-%s-%s', a.id, t)::bytea),
           timestamptz '2024-01-01 00:00Z' + t * interval '1 hour 1.001 second',
           CASE WHEN t % 5 > 0 THEN timestamptz '2098-01-01 00:00Z' + t * interval '61.017 seconds' END,
           CASE WHEN t % 3 > 0 THEN timestamptz '2026-01-01 00:00Z' + a.id * interval '7.013 seconds' END
    FROM generate_series(1, 1000) AS t JOIN bench_account a ON t <= a.tokens
    ORDER BY t, a.id;
INSERT INTO pat_token (account_id, description, secret_hash)
    SELECT id, 'laptop', sha256(('user:bench-caller-' || id)::bytea) FROM generate_series(10001, 20000) AS id;
INSERT INTO pat_token (account_id, description, secret_hash, seen_at)
    SELECT 20001, 'laptop ' || n, sha256(('user:bench-other-' || n)::bytea), '2098-01-01'
    FROM generate_series(0, 99) AS n;
SELECT pat_create_admin_token('bench', '*:*.bench-admin') \g /dev/null

-- Fills the table up to so many tokens with ten for each of further service accounts.
CREATE PROCEDURE bench_grow(tokens bigint) LANGUAGE plpgsql AS
$$
DECLARE
    wanted integer := ceil((tokens - (SELECT count(*) FROM pat_token)) / 10.0);
    first_id integer := (SELECT max(id) + 1 FROM pat_account);
BEGIN
    -- Rows that are known to fit: their foreign keys need no look-up each.
    SET LOCAL session_replication_role = replica;
    INSERT INTO pat_account (id, username, is_service, root_role)
        SELECT id, 'bulk-' || id, true, 3 FROM generate_series(first_id, first_id + wanted - 1) AS id;
    INSERT INTO pat_token (account_id, description, secret_hash, expires_at, seen_at)
        SELECT id, 'deploy key number ' || t, sha256(int8send(id * 16::bigint + t)), '2098-01-01', '2026-01-01'
        FROM generate_series(first_id, first_id + wanted - 1) AS id, generate_series(1, 10) AS t;
END
$$;
