-- Import from Unleash: tables of its shape, with all that is difficult in them.
-- C11: in parallel mode no use of a token is noted; the other tests run in it, too (make check ONLY=parallel)
SELECT set_config(name, 'off', false) FROM pg_settings WHERE name IN ('debug_parallel_query', 'force_parallel_mode') \g /dev/null
BEGIN;
-- ids of this test do not depend on the tests before it
ALTER SEQUENCE pat_role_id_seq RESTART WITH 4;
ALTER SEQUENCE pat_account_id_seq RESTART;
ALTER SEQUENCE pat_token_id_seq RESTART;
SET timezone = 'UTC';
\set SHOW_CONTEXT never
CREATE SCHEMA "regress Unleash";
SET search_path = "regress Unleash";
CREATE TABLE roles
(
    id serial PRIMARY KEY, name text NOT NULL UNIQUE, description text, type text NOT NULL DEFAULT 'custom',
    created_at timestamptz DEFAULT '2024-01-01'
);
CREATE TABLE role_permission (role_id integer NOT NULL REFERENCES roles, permission text, environment varchar(100));
CREATE TABLE users
(
    id serial PRIMARY KEY, name varchar(255), username varchar(255) UNIQUE, email varchar(255) UNIQUE,
    password_hash varchar(255), created_at timestamp DEFAULT '2024-02-01 10:11:12.5', seen_at timestamp,
    deleted_at timestamptz, is_service boolean DEFAULT false, is_system boolean NOT NULL DEFAULT false
);
CREATE TABLE role_user
(
    role_id integer NOT NULL REFERENCES roles, user_id integer NOT NULL REFERENCES users,
    project varchar(255) NOT NULL, PRIMARY KEY (role_id, user_id, project)
);
CREATE TABLE groups (id serial PRIMARY KEY, name text NOT NULL, root_role_id integer REFERENCES roles);
CREATE TABLE group_user (group_id integer REFERENCES groups, user_id integer REFERENCES users, PRIMARY KEY (group_id, user_id));
CREATE TABLE group_role
(
    group_id integer REFERENCES groups, role_id integer REFERENCES roles, project text,
    PRIMARY KEY (group_id, role_id, project)
);
CREATE TABLE personal_access_tokens
(
    id serial PRIMARY KEY, secret text, description text, user_id integer NOT NULL,
    expires_at timestamptz NOT NULL DEFAULT '2990-01-01', seen_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT '2024-03-01', selector text UNIQUE, verifier text
);
RESET search_path;

CREATE FUNCTION pg_temp.verifier(token text) RETURNS text LANGUAGE sql AS
$$ SELECT translate(encode(sha256(token::bytea), 'base64'), '+/=', '-_') $$;

-- what is here before: it takes the ids and names that some of the source have
SELECT pat_create_account('taken', 'Here first') AS taken \gset
SELECT pat_create_token(:taken, 'here first', secret => 'user:regress-import-here-first');
INSERT INTO pat_role (id, name) VALUES (11, 'Here'), (12, 'Ops');
SELECT pat_create_admin_token('regress-import') AS admin \gset

SET search_path = "regress Unleash";
INSERT INTO roles (id, name, description, type) VALUES
    (1, 'Admin', 'a', 'root'), (2, 'Editor', 'e', 'root'), (3, 'Viewer', 'v', 'root'),
    (4, 'Owner', 'o', 'project'), (5, 'Member', 'm', 'project'), (6, 'Custom of projects', '', 'custom'),
    (7, 'Big', 'Many permissions', 'root-custom'), (8, 'Also admin', NULL, 'root-custom'),
    (9, repeat('n', 300), '', 'root-custom'), (10, '', '', 'root-custom'),
    (11, 'Id taken', '', 'root-custom'), (13, 'Ops', '', 'root-custom'), (14, 'Odd', '', 'root-custom');
INSERT INTO role_permission VALUES
    (1, 'ADMIN', '*'), (2, 'CREATE_FEATURE', NULL), (2, 'UPDATE_FEATURE', 'development'), (2, 'UPDATE_FEATURE', 'production'),
    (4, 'DELETE_PROJECT', NULL), (7, 'CREATE_A', NULL), (7, 'CREATE_B', NULL), (7, 'CREATE_C', NULL), (8, 'ADMIN', NULL),
    (13, 'OPS', NULL), (14, 'no name', NULL), (14, 'FINE', NULL), (14, NULL, NULL);
INSERT INTO users (id, name, username, email, is_system) VALUES
    (-1337, 'Unleash System', 'unleash_system_user', 'system@regress', true),
    (-42, 'Unleash Admin Token User', 'unleash_admin_token', NULL, true), (99, 'Another one', 'system', NULL, true);
INSERT INTO users (id, name, username, email, is_service, created_at, deleted_at) VALUES
    (1, 'Admin', 'admin', NULL, false, '2024-02-01 10:11:12.5', NULL),
    (2, 'Mail', NULL, 'mail@regress', false, '2024-02-01', NULL), (3, 'Empty', '', 'empty@regress', NULL, '2024-02-01', NULL),
    (4, 'Service', 'service', NULL, true, '2024-02-01', NULL), (5, 'Same mail', 'mail@regress', NULL, false, '2024-02-01', NULL),
    (6, 'Gone(Deleted)', NULL, NULL, true, '2024-02-01', '2024-05-06 07:08:09.123+02'), (7, 'Taken', 'taken', NULL, true, '2024-02-01', NULL),
    (8, NULL, NULL, NULL, false, NULL, NULL), (9, 'Times', 'times', NULL, true, 'infinity', NULL),
    (10, 'Group', 'group', NULL, false, '2024-02-01', NULL), (11, 'Two', 'two', NULL, false, '2024-02-01', NULL),
    (12, 'No role', 'no-role', NULL, true, '2024-02-01', NULL), (13, 'Forever', 'forever', NULL, true, '-infinity', 'infinity'),
    (2147483647, 'Last id', 'last-id', NULL, true, '2024-02-01', NULL);
INSERT INTO role_user VALUES (1, 1, 'default'), (3, 2, 'default'), (2, 3, 'default'), (4, 3, 'default'), (1, 4, 'default'),
    (3, 5, 'default'), (7, 7, 'default'), (3, 8, 'default'), (3, 9, '*'), (2, 11, 'default'), (3, 2147483647, 'default');
INSERT INTO groups (id, name, root_role_id) VALUES (1, 'admins', 8), (2, 'by role', NULL), (3, 'projects', NULL);
INSERT INTO group_user VALUES (1, 10), (2, 10), (2, 11), (3, 12);
INSERT INTO group_role VALUES (2, 7, 'default'), (2, 3, 'default'), (3, 4, 'default');
INSERT INTO personal_access_tokens (id, secret, description, user_id) VALUES
    (1, 'user:regress-import-1', 'first', 4), (2, 'user:regress-import-2', 'first', 4), (3, 'user:regress-import-3', NULL, 4),
    (4, 'user:regress-import-4', '', 4), (5, 'user:regress-import-5', 'first (6)', 4), (6, 'user:regress-import-6', 'first', 4),
    (7, 'user:regress-import-7', repeat('d', 300), 4), (8, 'user:regress-import-8', repeat('d', 255), 4),
    (10, 'user:regress-import-10', 'of a person', 1), (11, 'user:regress-import-11', 'of a deleted one', 6),
    (12, 'user:regress-import-12', 'of nobody', 1000), (13, 'user:regress-import-13', 'of the system', -1337),
    (14, 'user:regress import', 'not sendable', 4), (15, '', 'empty', 4), (16, 'user:' || repeat('0', 49), 'checksum', 4),
    (17, 'user:regress-import-here-first', 'of another here', 4), (18, 'user:regress-import-1', 'same again', 4),
    (19, 'user:regress-import-1', 'same of another', 7), (20, 'user:regress-import-20', E'quote "\\ \n 𝄞', 7),
    (50, 'user:regress-import-50', 'first', 7);
INSERT INTO personal_access_tokens (id, selector, verifier, description, user_id) VALUES
    (30, 's30', pg_temp.verifier('user:v2_regress-import.30'), 'by verifier', 4), (31, 's31', 'short', 'not 32 bytes', 4),
    (32, 's32', pg_temp.verifier('x') || '=', 'padded', 4), (33, 's33', repeat('-', 42) || '9', 'spare bits', 4),
    (34, 's34', NULL, 'nothing', 4);
INSERT INTO personal_access_tokens (id, secret, verifier, description, user_id) VALUES
    (35, 'user:regress-import-35', pg_temp.verifier('user:regress-import-35'), 'both', 4),
    (36, 'user:regress-import-36', pg_temp.verifier('user:regress-import-35'), 'contradiction', 4);
INSERT INTO personal_access_tokens (id, secret, description, user_id, created_at, expires_at, seen_at) VALUES
    (40, 'user:regress-import-40', 'for ever', 9, '2024-03-01', 'infinity', NULL),
    (41, 'user:regress-import-41', 'far', 9, '0044-03-15 BC', '20000-01-01', '-infinity'),
    (42, 'user:regress-import-42', 'past', 9, '2023-04-19T08:15:14Z', '2023-04-19T08:15:14.000999Z', '2023-04-19T08:15:14Z'),
    (2000000001, 'user:regress-import-last', 'last', 9, '2024-03-01', '2990-01-01', NULL);
RESET search_path;

CREATE TEMP TABLE before AS SELECT (SELECT max(id) FROM pat_event) AS event;
SELECT item, result, count, source_id, new_id, replace(replace(reason, repeat('d', 200), 'd..d'), repeat('n', 200), 'n..n') AS reason
FROM pat_import_unleash('"regress Unleash"');

SELECT id, left(name, 20) AS name, length(name), description FROM pat_role WHERE id > 3 ORDER BY id;
SELECT role_id, array_agg(permission) FROM pat_role_permission GROUP BY role_id ORDER BY role_id;
SELECT id, username, name, is_service, is_system, root_role, nullif(created_at::timestamptz, now()) AS created_at, deleted_at
FROM pat_account ORDER BY id OFFSET 1;
SELECT id, account_id, replace(description, repeat('d', 200), 'd..d') AS description,
       nullif(created_at::timestamptz, now()) AS created_at, expires_at, seen_at,
       secret_hash = pat_token_hash(format('user:regress-import-%s', id)) AS kept, secret_sealed IS NOT NULL AS sealed
FROM pat_token WHERE account_id > 0 ORDER BY id;
SELECT type, created_by, data FROM pat_event, before WHERE id > before.event;

-- the old texts work, whichever way they were stored
SELECT t.token, c.account_id, c.username, c.is_service, c.permissions, c.token_id
FROM (VALUES ('user:regress-import-1'), ('user:v2_regress-import.30'), ('user:regress-import-10'), ('user:regress-import-35'),
             ('user:regress-import-50'), ('user:regress-import-last')) AS t (token), LATERAL pat_caller(t.token) c;
SELECT json_array_length(pat_list_for_service_account(4, 'user:regress-import-10')->'pats') AS listed;
SELECT regexp_replace(pat_list_for_service_account(9, 'user:regress-import-10')::text, '"seenAt":"20[^"]*"\}\]', '"seenAt":"(just now)"}]');
SAVEPOINT s;
SELECT pat_caller('user:regress-import-11'); -- its account was deleted
ROLLBACK TO s;
SELECT pat_caller('user:regress-import-42'); -- expired
ROLLBACK TO s;
SELECT pat_caller('user:regress-import-14'); -- not imported
ROLLBACK TO s;

-- new rows do not collide
SELECT pat_create_account('regress-next') AS next, (SELECT max(id) FROM pat_account) AS highest;
SELECT id FROM pat_create_token(4, 'next');
INSERT INTO pat_role (name) VALUES ('next') RETURNING id;

-- a second time: nothing
CREATE TEMP TABLE state AS
    SELECT (SELECT jsonb_agg(to_jsonb(a) ORDER BY id) FROM pat_account a) AS accounts,
           (SELECT jsonb_agg(to_jsonb(t) - 'seen_at' ORDER BY id) FROM pat_token t) AS tokens,
           (SELECT jsonb_agg(to_jsonb(r) ORDER BY id) FROM pat_role r) AS roles,
           (SELECT jsonb_agg(to_jsonb(p) ORDER BY role_id, permission) FROM pat_role_permission p) AS permissions,
           (SELECT jsonb_agg(to_jsonb(i) ORDER BY item, source_id) FROM pat_import i) AS imported,
           (SELECT max(id) FROM pat_event) AS event,
           (SELECT last_value FROM pat_role_id_seq) AS role_id, (SELECT last_value FROM pat_account_id_seq) AS account_id,
           (SELECT last_value FROM pat_token_id_seq) AS token_id;
SELECT * FROM pat_import_unleash('"regress Unleash"');
SELECT accounts = (SELECT jsonb_agg(to_jsonb(a) ORDER BY id) FROM pat_account a) AS accounts,
       tokens = (SELECT jsonb_agg(to_jsonb(t) - 'seen_at' ORDER BY id) FROM pat_token t) AS tokens,
       roles = (SELECT jsonb_agg(to_jsonb(r) ORDER BY id) FROM pat_role r) AS roles,
       permissions = (SELECT jsonb_agg(to_jsonb(p) ORDER BY role_id, permission) FROM pat_role_permission p) AS permissions,
       imported = (SELECT jsonb_agg(to_jsonb(i) ORDER BY item, source_id) FROM pat_import i) AS imported,
       event = (SELECT max(id) FROM pat_event) AS events,
       (role_id, account_id, token_id) = ((SELECT last_value FROM pat_role_id_seq), (SELECT last_value FROM pat_account_id_seq),
                                          (SELECT last_value FROM pat_token_id_seq)) AS sequences
FROM state;

-- after changes on either side: nothing here is overwritten, nothing deleted here comes back
SELECT pat_delete_for_service_account('4', '51', :'admin');
DELETE FROM pat_token WHERE id = 30;
SELECT pat_delete_service_account('7', :'admin');
SELECT pat_update_service_account('12', '{"name": "Renamed here", "rootRole": 2}', :'admin')->>'name' AS renamed;
DELETE FROM pat_role WHERE id = 14;
SET search_path = "regress Unleash";
UPDATE users SET username = 'renamed-there', deleted_at = '2025-01-01' WHERE id = 9;
UPDATE users SET username = NULL WHERE id = 1;
DELETE FROM personal_access_tokens WHERE id IN (2, 42);
DELETE FROM role_user WHERE user_id = 2;
INSERT INTO users (id, username, is_service) VALUES (100, 'admin', true);
INSERT INTO role_user VALUES (14, 100, 'default');
INSERT INTO personal_access_tokens (id, secret, description, user_id) VALUES
    (100, 'user:regress-import-100', 'late', 100), (101, 'user:regress-import-101', 'late', 7);
RESET search_path;
SELECT * FROM pat_import_unleash('"regress Unleash"') WHERE source_id IS NOT NULL OR result <> 'skipped';
SELECT id, name, root_role, deleted_at FROM pat_account WHERE id IN (1, 2, 9, 12) ORDER BY id;

-- another installation in a schema of the same name is found out; in one of its own, it comes beside
SAVEPOINT s;
UPDATE "regress Unleash".users SET created_at = '2025-01-01' WHERE id = 4;
SELECT * FROM pat_import_unleash('"regress Unleash"');
ROLLBACK TO s;
SAVEPOINT s;
ALTER SCHEMA "regress Unleash" RENAME TO regress_unleash_2;
UPDATE regress_unleash_2.personal_access_tokens SET secret = replace(secret, 'import', 'second');
SELECT item, result, count FROM pat_import_unleash('regress_unleash_2') WHERE source_id IS NULL;
SELECT count(*) FROM pat_token t JOIN pat_account a ON a.id = account_id WHERE secret_hash = pat_token_hash('user:regress-second-1')
    AND a.username = 'service (4)';
SELECT count(*) AS ids_of_deleted_tokens FROM pat_token WHERE id IN (30, 51);
ROLLBACK TO s;

-- what is not Unleash's
CREATE SCHEMA regress_nothing;
SELECT pat_import_unleash('regress_nothing');
ROLLBACK TO s;
SELECT pat_import_unleash(NULL);
ROLLBACK TO s;
SELECT pat_import_unleash('regress_missing');
ROLLBACK TO s;
ALTER TABLE "regress Unleash".personal_access_tokens DROP COLUMN id;
SELECT pat_import_unleash('"regress Unleash"');
ROLLBACK;

-- an older Unleash: no groups, no service accounts, permissions by id
BEGIN;
ALTER SEQUENCE pat_role_id_seq RESTART WITH 4;
ALTER SEQUENCE pat_account_id_seq RESTART;
ALTER SEQUENCE pat_token_id_seq RESTART;
CREATE SCHEMA regress_unleash;
CREATE TABLE regress_unleash.roles AS SELECT * FROM (VALUES (1, 'Admin', 'root'), (6, 'Ops', 'root-custom')) r (id, name, type);
CREATE TABLE regress_unleash.permissions AS SELECT * FROM (VALUES (1, 'ADMIN'), (2, 'OPS')) p (id, permission);
CREATE TABLE regress_unleash.role_permission AS SELECT * FROM (VALUES (1, 1), (6, 2)) rp (role_id, permission_id);
CREATE TABLE regress_unleash.users AS SELECT * FROM (VALUES (1, 'Admin', 'admin', NULL), (2, 'Ops', NULL, 'ops@regress')) u (id, name, username, email);
CREATE TABLE regress_unleash.role_user AS SELECT * FROM (VALUES (1, 1), (6, 2)) ru (role_id, user_id);
CREATE TABLE regress_unleash.personal_access_tokens AS
    SELECT * FROM (VALUES (1, 'user:regress-old-1', 'old', 1), (2, 'user:regress-old-2', 'old', 2)) t (id, secret, description, user_id);
SELECT * FROM pat_import_unleash('regress_unleash');
SELECT account_id, username, is_service, permissions, token_id, expires_at FROM pat_caller('user:regress-old-1')
UNION ALL SELECT account_id, username, is_service, permissions, token_id, expires_at FROM pat_caller('user:regress-old-2');
SELECT sum(count) FROM pat_import_unleash('regress_unleash') WHERE result = 'unchanged';
-- B1: no account gets an id that was another's, even if its row is gone: JSON Web Tokens may name it
SELECT pat_create_account('regress-gone') AS gone \gset
DELETE FROM pat_account WHERE id = :gone;
INSERT INTO regress_unleash.users VALUES (:gone, 'Boss', 'boss', NULL);
SELECT result, new_id > :gone AS later, reason LIKE 'its id is taken: %' AS told FROM pat_import_unleash('regress_unleash') WHERE item = 'account' AND source_id = :gone;
SELECT count(*) AS heirs FROM pat_account WHERE id = :gone;
ROLLBACK;
