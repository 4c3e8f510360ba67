-- A small Unleash: the tables that pat_import_unleash reads, in the shape of version 8, and what a
-- dump of them brings along: keys, an index, a trigger, a table of no interest. The texts of the
-- tokens have Unleash's shapes; t/110_import.pl knows them.
CREATE TABLE users
(
    id serial PRIMARY KEY, name varchar(255), username varchar(255) UNIQUE, email varchar(255) UNIQUE,
    image_url text, password_hash varchar(255), login_attempts integer DEFAULT 0,
    created_at timestamp DEFAULT '2025-01-02 03:04:05.678', seen_at timestamp, settings json, permissions json DEFAULT '[]',
    deleted_at timestamptz, is_service boolean DEFAULT false, created_by_user_id integer,
    is_system boolean NOT NULL DEFAULT false, scim_id text, updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE FUNCTION set_users_updated_at() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN NEW.updated_at := now(); RETURN NEW; END $$;
CREATE TRIGGER trg_set_users_updated_at BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION set_users_updated_at();
CREATE TABLE environments (name varchar(100) PRIMARY KEY);
CREATE TABLE permissions (permission varchar(255) PRIMARY KEY, display_name text, type varchar(255), id serial);
CREATE TABLE roles
(
    id serial PRIMARY KEY, name text NOT NULL UNIQUE, description text, type text NOT NULL DEFAULT 'custom',
    created_at timestamptz DEFAULT '2025-01-01', updated_at timestamptz, created_by_user_id integer
);
CREATE TABLE role_permission
(
    role_id integer NOT NULL REFERENCES roles ON DELETE CASCADE, created_at timestamptz DEFAULT now(),
    environment varchar(100) REFERENCES environments ON DELETE CASCADE,
    permission text REFERENCES permissions ON DELETE CASCADE, created_by_user_id integer
);
CREATE TABLE role_user
(
    role_id integer NOT NULL REFERENCES roles ON DELETE CASCADE, user_id integer NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz DEFAULT now(), project varchar(255) NOT NULL, created_by_user_id integer,
    PRIMARY KEY (role_id, user_id, project)
);
CREATE TABLE groups
(
    id serial PRIMARY KEY, name text NOT NULL, description text, created_at timestamptz NOT NULL DEFAULT now(),
    root_role_id integer REFERENCES roles, scim_id text
);
CREATE TABLE group_user
(
    group_id integer NOT NULL REFERENCES groups ON DELETE CASCADE, user_id integer NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (group_id, user_id)
);
CREATE TABLE group_role
(
    group_id integer NOT NULL REFERENCES groups ON DELETE CASCADE, role_id integer NOT NULL REFERENCES roles ON DELETE CASCADE,
    created_at timestamptz DEFAULT now(), project text NOT NULL, PRIMARY KEY (group_id, role_id, project)
);
CREATE TABLE personal_access_tokens
(
    secret text, description text, user_id integer NOT NULL REFERENCES users ON DELETE CASCADE,
    expires_at timestamptz NOT NULL, seen_at timestamptz, created_at timestamptz NOT NULL DEFAULT '2025-02-03 04:05:06.789Z',
    id serial PRIMARY KEY, selector text UNIQUE, verifier text,
    CONSTRAINT personal_access_tokens_credential_shape CHECK (
        (secret IS NOT NULL AND selector IS NULL AND verifier IS NULL)
        OR (secret IS NULL AND selector IS NOT NULL AND verifier IS NOT NULL))
);
CREATE INDEX personal_access_tokens_secret_idx ON personal_access_tokens (secret);
CREATE TABLE events (id serial PRIMARY KEY, data json);

INSERT INTO environments VALUES ('development'), ('production');
INSERT INTO permissions (permission, type) VALUES
    ('ADMIN', 'root'), ('CREATE_PROJECT', 'root'), ('READ_ROLE', 'root'), ('CREATE_FEATURE', 'project');
INSERT INTO roles (name, description, type) VALUES
    ('Admin', '', 'root'), ('Editor', '', 'root'), ('Viewer', '', 'root'), ('Owner', '', 'project'), ('Member', '', 'project'),
    ('Auditor', 'May read roles', 'root-custom');
INSERT INTO role_permission (role_id, permission, environment) VALUES
    (1, 'ADMIN', NULL), (2, 'CREATE_PROJECT', NULL), (2, 'CREATE_FEATURE', 'development'), (2, 'CREATE_FEATURE', 'production'),
    (4, 'CREATE_FEATURE', NULL), (6, 'READ_ROLE', NULL);
INSERT INTO users (id, name, username, email, is_system, password_hash) VALUES
    (-1337, 'Unleash System', 'unleash_system_user', 'system@getunleash.io', true, NULL),
    (-42, 'Unleash Admin Token User', 'unleash_admin_token', NULL, true, NULL);
INSERT INTO users (name, username, email, password_hash) VALUES
    ('Admin', 'admin', NULL, '$2b$10$hash'), ('Grace', NULL, 'grace@example.org', '$2b$10$hash');
INSERT INTO users (name, username, is_service) VALUES ('Deploy', 'deploy', true), ('Audit', 'audit', true);
INSERT INTO users (name, is_service, deleted_at) VALUES ('Old(Deleted)', true, '2025-06-01');
INSERT INTO role_user (role_id, user_id, project) VALUES
    (1, 1, 'default'), (2, 2, 'default'), (4, 2, 'default'), (3, 3, 'default'), (6, 4, 'default');
INSERT INTO groups (name, root_role_id) VALUES ('Operators', 1);
INSERT INTO group_user (group_id, user_id) VALUES (1, 2);
INSERT INTO personal_access_tokens (secret, description, user_id, expires_at, seen_at) VALUES
    ('user:00000000000000000000000000000000000000000000000000000001', 'laptop', 1, '2990-01-01', '2025-03-04 05:06:07.89Z'),
    ('user:00000000000000000000000000000000000000000000000000000002', 'laptop', 2, '2990-01-01', NULL),
    ('user:00000000000000000000000000000000000000000000000000000003', 'ci', 3, '2990-01-01', NULL),
    ('user:00000000000000000000000000000000000000000000000000000004', 'ci', 3, 'infinity', NULL),
    ('user:00000000000000000000000000000000000000000000000000000005', NULL, 4, '2990-01-01', NULL),
    ('user:00000000000000000000000000000000000000000000000000000006', 'old', 5, '2990-01-01', NULL);
INSERT INTO personal_access_tokens (selector, verifier, description, user_id, expires_at) VALUES
    ('AAAAAAAAAAAAAAAAAAAAAA',
     translate(encode(sha256('user:v2_AAAAAAAAAAAAAAAAAAAAAA_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB'), 'base64'), '+/=', '-_'),
     'secure', 3, '2990-01-01');
