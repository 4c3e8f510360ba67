--
-- For the extension's owner
--
-- Functions of the extension call each other with every argument given, and each of
-- the argument's own type: where others may create functions in the schema, one of
-- theirs would fit a bare NULL, or a default left out, better.
--

CREATE FUNCTION pat_record(type text, created_by integer, token_id integer, data jsonb) RETURNS void
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO @extschema@.pat_event (type, created_by, token_id, data) VALUES ($1, $2, $3, $4)
$$;
REVOKE ALL ON FUNCTION pat_record(text, integer, integer, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION pat_record(text, integer, integer, jsonb) IS
'Writes an event of the audit trail: what happened, by which account and with which token (NULL = the owner, in SQL). Owner only.';

CREATE FUNCTION pat_insert_account(username text, name text, root_role integer, is_service boolean,
                                   created_by integer, created_by_token integer)
    RETURNS integer
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    new_id integer;
BEGIN
    IF char_length($1) NOT BETWEEN 1 AND 255 THEN
        PERFORM @extschema@.pat_raise(400, 'BadDataError', 'The "username" property must have 1 to 255 characters.');
    ELSIF char_length($2) > 255 THEN
        PERFORM @extschema@.pat_raise(400, 'BadDataError', 'The "name" property must have at most 255 characters.');
    END IF;
    PERFORM @extschema@.pat_check_role($3);
    INSERT INTO @extschema@.pat_account (username, name, root_role, is_service)
        VALUES ($1, $2, $3, $4)
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
    LANGUAGE plpgsql VOLATILE STRICT
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
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
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT @extschema@.pat_insert_account($1, $2, $3, $4, NULL::integer, NULL::integer)
$$;
REVOKE ALL ON FUNCTION pat_create_account(text, text, integer, boolean) FROM PUBLIC;
COMMENT ON FUNCTION pat_create_account(text, text, integer, boolean) IS
'Creates a service account (or, with is_service false, a person) and returns its id. username: 1 to 255 characters, unique among the living; name: at most 255; root_role: id of a pat_role; NULL = none, which lists show as "rootRole":null: some clients, as Unleash''s Terraform provider, crash at that. Errors: PT400, PT409. Owner only.';

CREATE FUNCTION pat_remove_account(account_id integer, deleted_by integer, deleted_by_token integer) RETURNS boolean
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    gone record;
BEGIN
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
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT @extschema@.pat_remove_account($1, NULL::integer, NULL::integer) THEN
        PERFORM @extschema@.pat_raise(404, 'NotFoundError', format('Could not find the account with ID "%s".', $1));
    END IF;
END
$$;
REVOKE ALL ON FUNCTION pat_delete_account(integer) FROM PUBLIC;
COMMENT ON FUNCTION pat_delete_account(integer) IS
'Deletes an account: all its tokens are refused from the next request on. Errors: PT404 no living account has that id. Owner only.';

CREATE FUNCTION pat_insert_token(account_id integer, description text, expires_at timestamptz, secret text,
                                 created_at timestamptz, seen_at timestamptz,
                                 created_by integer, created_by_token integer)
    RETURNS integer
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    new_id  integer := nextval('@extschema@.pat_token_id_seq');
    account record;
BEGIN
    SELECT a.is_service, a.is_system INTO account FROM @extschema@.pat_account a WHERE a.id = $1;
    INSERT INTO @extschema@.pat_token
            (id, account_id, description, secret_hash, secret_sealed, created_at, expires_at, seen_at)
        VALUES (new_id, $1, $2, @extschema@.pat_token_hash($4), @extschema@.pat_token_seal(new_id, $4), $5, $3, $6)
        ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        PERFORM @extschema@.pat_raise(409, 'NameExistsError',
            CASE WHEN EXISTS (SELECT FROM @extschema@.pat_token t WHERE t.secret_hash = @extschema@.pat_token_hash($4))
                 THEN 'PAT secret already exists.' ELSE 'PAT description already exists.' END);
    END IF;
    PERFORM @extschema@.pat_record(
        CASE WHEN account.is_service THEN 'service-account-token-created'
             WHEN account.is_system THEN 'api-token-created' ELSE 'pat-created' END,
        $7, $8, jsonb_build_object('id', new_id, 'userId', $1, 'description', $2, 'expiresAt', $3));
    RETURN new_id;
END
$$;
REVOKE ALL ON FUNCTION pat_insert_token(integer, text, timestamptz, text, timestamptz, timestamptz, integer, integer) FROM PUBLIC;
COMMENT ON FUNCTION pat_insert_token(integer, text, timestamptz, text, timestamptz, timestamptz, integer, integer) IS
'Stores a token''s hash, its sealed text where sealed storage is on, and its event; returns its id. Errors: PT409 the account has a token of that description, or any account this very token. Owner only.';

CREATE FUNCTION pat_check_description(description text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
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
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
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
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT t.secret
    FROM @extschema@.pat_create_token(-1337, $1, $3, coalesce($2, @extschema@.pat_new_token_text(true)),
                                        now(), NULL::timestamptz) AS t
$$;
REVOKE ALL ON FUNCTION pat_create_admin_token(text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION pat_create_admin_token(text, text, timestamptz) IS
'Creates an admin API token, owned by the system account, and returns its text, once. name: 1 to 255 characters, unique among admin tokens. secret: NULL = a new random one. expires_at: NULL = never. Errors: PT400, PT409. Owner only.';

CREATE FUNCTION pat_grant_api(role regrole) RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    schema_oid   oid := '@extschema@'::regnamespace;
    api_function regprocedure;
BEGIN
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

