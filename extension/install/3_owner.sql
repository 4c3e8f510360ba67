--
-- For the extension's owner
--
-- Functions of the extension call each other with every argument given, and each of
-- the argument's own type: where others may create functions in the schema, one of
-- theirs would fit a bare NULL, or a default left out, better.
--

CREATE FUNCTION pat_check_schema() RETURNS void
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    @guard@
END
$$;
REVOKE ALL ON FUNCTION pat_check_schema() FROM PUBLIC;
COMMENT ON FUNCTION pat_check_schema() IS
'Does nothing but what all functions in PL/pgSQL begin with; the functions in C read the schema''s name from it. Errors: object_not_in_prerequisite_state the schema was renamed while the event trigger pat_follow_rename was off. Owner only.';

CREATE FUNCTION pat_record(type text, created_by integer, token_id integer, data jsonb) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    @guard@
    INSERT INTO @extschema@.pat_event (id, type, created_by, token_id, data)
        VALUES (@extschema@.pat_next_id('pat_event'), $1, $2, $3, $4);
    PERFORM @extschema@.pat_token_used($3);
END
$$;
REVOKE ALL ON FUNCTION pat_record(text, integer, integer, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION pat_record(text, integer, integer, jsonb) IS
'Writes an event of the audit trail: what happened, by which account and with which token (NULL = the owner, in SQL), and sets the token''s seen_at. The last act of a change. Owner only.';

CREATE FUNCTION pat_time_text(value timestamptz) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN to_char($1 AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
END
$$;
REVOKE ALL ON FUNCTION pat_time_text(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION pat_time_text(timestamptz) IS
'A time as lists and events have it: UTC, ISO 8601, to milliseconds, the rest cut off. Owner only.';

CREATE FUNCTION pat_next_id(table_name text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    new_id   bigint;
    is_taken boolean;
BEGIN
    @guard@
    CASE $1
        WHEN 'pat_role' THEN
            new_id := nextval('@extschema@.pat_role_id_seq');
            is_taken := EXISTS (SELECT FROM @extschema@.pat_role r WHERE r.id = new_id);
        WHEN 'pat_account' THEN
            new_id := nextval('@extschema@.pat_account_id_seq');
            is_taken := EXISTS (SELECT FROM @extschema@.pat_account a WHERE a.id = new_id);
        WHEN 'pat_token' THEN
            new_id := nextval('@extschema@.pat_token_id_seq');
            is_taken := EXISTS (SELECT FROM @extschema@.pat_token t WHERE t.id = new_id);
        WHEN 'pat_jwt_key' THEN
            new_id := nextval('@extschema@.pat_jwt_key_id_seq');
            is_taken := EXISTS (SELECT FROM @extschema@.pat_jwt_key k WHERE k.id = new_id);
        WHEN 'pat_event' THEN
            new_id := nextval('@extschema@.pat_event_id_seq');
            is_taken := EXISTS (SELECT FROM @extschema@.pat_event e WHERE e.id = new_id);
    END CASE;
    IF is_taken THEN
        RAISE EXCEPTION 'the sequence of table "%" lags behind its rows: id % is taken', $1, new_id
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = format('Advance it: SELECT setval(''%1$s_id_seq'', (SELECT max(id) FROM %1$s));', '@extschema@.pat_' || substr($1, 5));
    END IF;
    RETURN new_id;
END
$$;
REVOKE ALL ON FUNCTION pat_next_id(text) FROM PUBLIC;
COMMENT ON FUNCTION pat_next_id(text) IS
'The id of a new row of pat_role, pat_account, pat_token, pat_jwt_key or pat_event. Errors: object_not_in_prerequisite_state the id is taken, since rows came in without the sequence (logical replication, explicit ids). Owner only.';

CREATE FUNCTION pat_insert_account(username text, name text, root_role integer, is_service boolean,
                                   created_by integer, created_by_token integer)
    RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    new_id integer;
BEGIN
    @guard@
    PERFORM @extschema@.pat_begin_change();
    IF char_length($1) NOT BETWEEN 1 AND 255 THEN
        PERFORM @extschema@.pat_raise(400, 'BadDataError', 'The "username" property must have 1 to 255 characters.');
    ELSIF char_length($2) > 255 THEN
        PERFORM @extschema@.pat_raise(400, 'BadDataError', 'The "name" property must have at most 255 characters.');
    END IF;
    PERFORM @extschema@.pat_check_role($3);
    INSERT INTO @extschema@.pat_account (id, username, name, root_role, is_service)
        VALUES (@extschema@.pat_next_id('pat_account'), $1, $2, $3, $4)
        ON CONFLICT (username) WHERE deleted_at IS NULL DO NOTHING
        RETURNING id INTO new_id;
    IF new_id IS NULL THEN
        PERFORM @extschema@.pat_raise(409, 'NameExistsError', 'An account with that username already exists.');
    END IF;
    PERFORM @extschema@.pat_record(CASE WHEN $4 THEN 'service-account-created' ELSE 'user-created' END, $5, $6,
        jsonb_build_object('id', new_id, 'username', $1, 'name', $2, 'rootRole', $3));
    RETURN new_id;
END
$$;
REVOKE ALL ON FUNCTION pat_insert_account(text, text, integer, boolean, integer, integer) FROM PUBLIC;
COMMENT ON FUNCTION pat_insert_account(text, text, integer, boolean, integer, integer) IS
'Stores an account and its event; returns its id. Errors: PT400, PT409. Owner only.';

CREATE FUNCTION pat_check_role(role_id integer) RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    @guard@
    IF NOT EXISTS (SELECT FROM @extschema@.pat_role r WHERE r.id = $1) THEN
        PERFORM @extschema@.pat_raise(400, 'BadDataError', format('Could not find the role with ID "%s".', $1));
    END IF;
END
$$;
REVOKE ALL ON FUNCTION pat_check_role(integer) FROM PUBLIC;
COMMENT ON FUNCTION pat_check_role(integer) IS 'Errors: PT400 no role has that id. Owner only.';

CREATE FUNCTION pat_create_account(username text, name text DEFAULT NULL,
                                   root_role integer DEFAULT 3, is_service boolean DEFAULT true)
    RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    @guard@
    RETURN @extschema@.pat_insert_account($1, $2, $3, $4, NULL::integer, NULL::integer);
END
$$;
REVOKE ALL ON FUNCTION pat_create_account(text, text, integer, boolean) FROM PUBLIC;
COMMENT ON FUNCTION pat_create_account(text, text, integer, boolean) IS
'Creates a service account (or, with is_service false, a person) and returns its id. username: 1 to 255 characters, unique among the living; name: at most 255; root_role: id of a pat_role; NULL = none, which lists show as "rootRole":null: some clients, as Unleash''s Terraform provider, crash at that. Errors: PT400, PT409. Owner only.';

CREATE FUNCTION pat_remove_account(account_id integer, deleted_by integer, deleted_by_token integer) RETURNS boolean
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    gone record;
BEGIN
    @guard@
    PERFORM @extschema@.pat_begin_change();
    UPDATE @extschema@.pat_account a SET deleted_at = now()
        WHERE a.id = $1 AND a.deleted_at IS NULL AND NOT a.is_system
        RETURNING a.username, a.is_service INTO gone;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM @extschema@.pat_record(CASE WHEN gone.is_service THEN 'service-account-deleted' ELSE 'user-deleted' END,
        $2, $3, jsonb_build_object('id', $1, 'username', gone.username));
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION pat_remove_account(integer, integer, integer) FROM PUBLIC;
COMMENT ON FUNCTION pat_remove_account(integer, integer, integer) IS
'Marks an account as deleted and writes its event; false if no living one has that id. Owner only.';

CREATE FUNCTION pat_delete_account(account_id integer) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    @guard@
    IF NOT @extschema@.pat_remove_account($1, NULL::integer, NULL::integer) THEN
        PERFORM @extschema@.pat_raise(404, 'NotFoundError', format('Could not find the account with ID "%s".', $1));
    END IF;
END
$$;
REVOKE ALL ON FUNCTION pat_delete_account(integer) FROM PUBLIC;
COMMENT ON FUNCTION pat_delete_account(integer) IS
'Deletes an account: all its tokens are refused from the next request on. Errors: PT404 no living account has that id. Owner only.';

CREATE FUNCTION pat_record_token(change text, account_id integer, token_id integer, description text,
                                 expires_at timestamptz, changed_by integer, changed_by_token integer)
    RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    account record;
BEGIN
    @guard@
    SELECT a.is_service, a.is_system INTO account FROM @extschema@.pat_account a WHERE a.id = $2;
    PERFORM @extschema@.pat_record(
        format('%s-%s', CASE WHEN account.is_service THEN 'service-account-token'
                             WHEN account.is_system THEN 'api-token' ELSE 'pat' END, $1), $6, $7,
        jsonb_build_object('id', $3, 'userId', $2, 'description', $4, 'expiresAt', @extschema@.pat_time_text($5)));
END
$$;
REVOKE ALL ON FUNCTION pat_record_token(text, integer, integer, text, timestamptz, integer, integer) FROM PUBLIC;
COMMENT ON FUNCTION pat_record_token(text, integer, integer, text, timestamptz, integer, integer) IS
'Writes the event of a token of that account. change: created, expired or deleted. Owner only.';

CREATE FUNCTION pat_insert_token(account_id integer, description text, expires_at timestamptz, secret text,
                                 created_at timestamptz, seen_at timestamptz,
                                 created_by integer, created_by_token integer)
    RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    new_id  integer;
    problem text;
BEGIN
    @guard@
    new_id := @extschema@.pat_next_id('pat_token');
    -- the message of the server would show the hash
    BEGIN
        INSERT INTO @extschema@.pat_token
                (id, account_id, description, secret_hash, secret_sealed, created_at, expires_at, seen_at)
            VALUES (new_id, $1, $2, @extschema@.pat_token_hash($4), @extschema@.pat_token_seal(new_id, $1, $4), $5, $3, $6)
            ON CONFLICT (account_id, description) DO NOTHING;
        IF NOT FOUND THEN
            problem := 'PAT description already exists.';
        END IF;
    EXCEPTION WHEN unique_violation THEN
        IF NOT EXISTS (SELECT FROM @extschema@.pat_token t WHERE t.secret_hash = @extschema@.pat_token_hash($4)) THEN
            RAISE;
        END IF;
        problem := 'PAT secret already exists.';
    END;
    IF problem IS NOT NULL THEN
        PERFORM @extschema@.pat_raise(409, 'NameExistsError', problem);
    END IF;
    PERFORM @extschema@.pat_record_token('created', $1, new_id, $2, $3, $7, $8);
    RETURN new_id;
END
$$;
REVOKE ALL ON FUNCTION pat_insert_token(integer, text, timestamptz, text, timestamptz, timestamptz, integer, integer) FROM PUBLIC;
COMMENT ON FUNCTION pat_insert_token(integer, text, timestamptz, text, timestamptz, timestamptz, integer, integer) IS
'Stores a token''s hash, its sealed text where sealed storage is on, and its event; returns its id. Errors: PT409 the account has a token of that description, or any account this very token. Owner only.';

CREATE FUNCTION pat_check_description(description text) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    @guard@
    IF coalesce($1, '') = '' THEN
        PERFORM @extschema@.pat_raise(400, 'BadDataError', 'PAT description cannot be empty.');
    ELSIF char_length($1) > 255 THEN
        PERFORM @extschema@.pat_raise(400, 'BadDataError', 'PAT description cannot be longer than 255 characters.');
    END IF;
END
$$;
REVOKE ALL ON FUNCTION pat_check_description(text) FROM PUBLIC;
COMMENT ON FUNCTION pat_check_description(text) IS 'Errors: PT400 unless the text has 1 to 255 characters. Owner only.';

CREATE FUNCTION pat_create_token(account_id integer, description text, expires_at timestamptz DEFAULT NULL,
                                 INOUT secret text DEFAULT NULL, created_at timestamptz DEFAULT now(),
                                 seen_at timestamptz DEFAULT NULL, OUT id integer)
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    @guard@
    PERFORM @extschema@.pat_begin_change();
    PERFORM @extschema@.pat_check_description(description);
    IF NOT @extschema@.pat_token_is_usable(secret) THEN
        PERFORM @extschema@.pat_raise(400, 'BadDataError',
            'PAT secret must be 1 to 8192 visible ASCII characters, with a fitting checksum and not in the form of a JSON Web Token.');
    ELSIF created_at IS NULL OR 'infinity' IN (created_at, seen_at, expires_at)
        OR greatest(created_at, seen_at, expires_at) >= timestamptz '10000-01-01 00:00:00+00'
        OR least(created_at, seen_at, expires_at) < timestamptz '0001-01-01 00:00:00+00' THEN
        PERFORM @extschema@.pat_raise(400, 'BadDataError', 'Times must lie in the years 1 to 9999.');
    ELSIF NOT EXISTS (SELECT FROM @extschema@.pat_account a WHERE a.id = account_id AND a.deleted_at IS NULL) THEN
        PERFORM @extschema@.pat_raise(404, 'NotFoundError', format('Could not find the account with ID "%s".', account_id));
    END IF;
    secret := coalesce(secret, @extschema@.pat_new_token_text(false));
    id := @extschema@.pat_insert_token(account_id, description, expires_at, secret, created_at, seen_at,
                                        NULL::integer, NULL::integer);
END
$$;
REVOKE ALL ON FUNCTION pat_create_token(integer, text, timestamptz, text, timestamptz, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION pat_create_token(integer, text, timestamptz, text, timestamptz, timestamptz) IS
'Creates a token of an account and returns its text, once, and its id. description: 1 to 255 characters, unique for the account. expires_at: NULL = never, the past is allowed. secret: NULL = a new random one; a given one is for moving existing tokens. Errors: PT400, PT404, PT409. Owner only.';

CREATE FUNCTION pat_create_admin_token(name text, secret text DEFAULT NULL, expires_at timestamptz DEFAULT NULL)
    RETURNS text
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    @guard@
    RETURN (
        SELECT t.secret
        FROM @extschema@.pat_create_token(-1337, $1, $3, coalesce($2, @extschema@.pat_new_token_text(true)),
                                            now(), NULL::timestamptz) AS t);
END
$$;
REVOKE ALL ON FUNCTION pat_create_admin_token(text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION pat_create_admin_token(text, text, timestamptz) IS
'Creates an admin API token, owned by the system account, and returns its text, once. name: 1 to 255 characters, unique among admin tokens. secret: NULL = a new random one. expires_at: NULL = never. Errors: PT400, PT409. Owner only.';

CREATE FUNCTION pat_expire_token(id integer) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    token record;
BEGIN
    @guard@
    PERFORM @extschema@.pat_begin_change();
    SELECT t.account_id, t.description, t.expires_at <= now() AS is_over INTO token
        FROM @extschema@.pat_token t WHERE t.id = $1 FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM @extschema@.pat_raise(404, 'NotFoundError', format('Could not find the token with ID "%s".', $1));
    ELSIF token.is_over THEN
        RETURN;
    END IF;
    UPDATE @extschema@.pat_token t SET expires_at = now() WHERE t.id = $1;
    PERFORM @extschema@.pat_record_token('expired', token.account_id, $1, token.description, now(),
                                         NULL::integer, NULL::integer);
END
$$;
REVOKE ALL ON FUNCTION pat_expire_token(integer) FROM PUBLIC;
COMMENT ON FUNCTION pat_expire_token(integer) IS
'Ends a token of any account, admin API tokens too: it is refused from the next request on, and stays in lists. One that has expired already is left as it is. Errors: PT404 no token has that id. Owner only.';

CREATE FUNCTION pat_delete_token(id integer) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    account integer;
BEGIN
    @guard@
    PERFORM @extschema@.pat_begin_change();
    SELECT t.account_id INTO account FROM @extschema@.pat_token t WHERE t.id = $1;
    PERFORM @extschema@.pat_remove_token(account, coalesce($1::text, ''), NULL::integer, NULL::integer);
END
$$;
REVOKE ALL ON FUNCTION pat_delete_token(integer) FROM PUBLIC;
COMMENT ON FUNCTION pat_delete_token(integer) IS
'Deletes a token of any account, admin API tokens too: it is refused from the next request on. Errors: PT404 no token has that id. Owner only.';

CREATE FUNCTION pat_grant_api(role regrole) RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    schema_oid   oid := (SELECT e.extnamespace FROM pg_extension e WHERE e.extname = 'pat');
    api_function regprocedure;
BEGIN
    @guard@
    FOR api_function IN
        SELECT p.oid
        FROM pg_depend d
            JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
            JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
        WHERE e.extname = 'pat' AND d.deptype = 'e' AND (p.proargnames && '{caller_token,caller_tokens}' OR p.proname = 'pat_last_caller')
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', api_function, role);
    END LOOP;
    IF NOT has_schema_privilege(role, schema_oid, 'USAGE') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %s TO %s', schema_oid::regnamespace, role);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION pat_grant_api(regrole) FROM PUBLIC;
COMMENT ON FUNCTION pat_grant_api(regrole) IS
'Lets a role call every function that takes a caller_token, and pat_last_caller (and name the schema, if it could not); gives it no table. Owner only.';

