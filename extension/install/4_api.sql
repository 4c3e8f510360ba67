--
-- Request bodies
--

CREATE FUNCTION pat_check_body(body json) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    twice text;
    bad   text;
BEGIN
    @guard@
    IF octet_length($1::text) > 102400 THEN
        PERFORM @extschema@.pat_raise(413, 'PayloadTooLargeError', 'The request body is larger than 100 kB.');
    ELSIF json_typeof($1) IS DISTINCT FROM 'object' THEN
        PERFORM @extschema@.pat_raise(400, 'BadDataError', 'The request body must be a JSON object.');
    END IF;
    SELECT k INTO twice FROM json_object_keys($1) k GROUP BY k HAVING count(*) > 1 ORDER BY k LIMIT 1;
    IF FOUND THEN
        PERFORM @extschema@.pat_raise(400, 'BadDataError', format('The "%s" property is given more than once.', left(twice, 100)));
    END IF;
-- the last one is of an encoding that knows no conversion, as SQL_ASCII
EXCEPTION WHEN untranslatable_character OR invalid_text_representation OR feature_not_supported THEN
    bad := @extschema@.pat_body_bad_escape($1);
    PERFORM @extschema@.pat_raise(400, 'BadDataError',
        CASE WHEN bad IS NULL THEN 'The request body holds an escape that the database cannot store.'
             ELSE format('The "%s" property holds an escape that stands for no character.', bad) END);
END
$$;
REVOKE ALL ON FUNCTION pat_check_body(json) FROM PUBLIC;
COMMENT ON FUNCTION pat_check_body(json) IS
'Errors: PT413 more than 102400 bytes; PT400 not an object, a property given twice, or an escape that text cannot hold: NUL, half a surrogate pair, a character that the encoding of the database lacks. Owner only.';

CREATE FUNCTION pat_body_property(body json, property text, type text, required boolean) RETURNS text
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    @guard@
    IF $1->$2 IS NULL THEN
        IF $4 THEN
            PERFORM @extschema@.pat_raise(400, 'BadDataError', format('The "%s" property is required.', $2));
        END IF;
        RETURN NULL;
    ELSIF $3 = 'string' AND json_typeof($1->$2) <> 'string' THEN
        PERFORM @extschema@.pat_raise(400, 'BadDataError', format('The "%s" property must be a string.', $2));
    ELSIF $3 = 'integer' THEN
        IF json_typeof($1->$2) = 'number' AND @extschema@.pat_json_integer($1->>$2) IS NOT NULL THEN
            RETURN @extschema@.pat_json_integer($1->>$2);
        END IF;
        PERFORM @extschema@.pat_raise(400, 'BadDataError', format('The "%s" property must be an integer.', $2));
    END IF;
    RETURN $1->>$2;
END
$$;
REVOKE ALL ON FUNCTION pat_body_property(json, text, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION pat_body_property(json, text, text, boolean) IS
'A property of a request body as text; NULL where it is absent. type: string or integer (of 32 bits; the value counts, not the spelling: 3.0 and 3e0 are 3). Errors: PT400 absent though required, or of another type. Owner only.';

CREATE FUNCTION pat_parse_time(value text) RETURNS timestamptz
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- 1 to 3 year, month, day; 4 and 5 hour, minute; 6 seconds, to microseconds; 7 to 9 the offset
    part text[] := regexp_match($1, '^([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]([01][0-9]|2[0-3]):([0-5][0-9]):((?:[0-5][0-9]|60)(?:[.][0-9]{1,6})?)(?:(?<=[.][0-9]{6})[0-9]*)?(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))$');
    day  date;
BEGIN
    IF part IS NULL THEN
        RETURN NULL;
    END IF;
    -- no exception is caught here: that takes a subtransaction, which parallel workers cannot have
    day := make_date(CASE part[1] WHEN '0000' THEN -1 ELSE part[1]::integer END, part[2]::integer, 1)
        + (part[3]::integer - 1);
    IF extract(month FROM day) <> part[2]::integer THEN
        RETURN NULL;
    END IF;
    RETURN (day + make_interval(hours => part[4]::integer, mins => part[5]::integer, secs => part[6]::double precision)
        - coalesce(make_interval(hours => (part[7] || part[8])::integer, mins => (part[7] || part[9])::integer),
                   interval '0')) AT TIME ZONE 'UTC';
END
$$;
REVOKE ALL ON FUNCTION pat_parse_time(text) FROM PUBLIC;
COMMENT ON FUNCTION pat_parse_time(text) IS
'An RFC 3339 date-time with any offset, its fraction cut to microseconds (:60 is the first second of the next minute), which may lie in the year 0 or 10000; NULL for all else. Owner only.';

--
-- The rest of the API
--
-- SECURITY DEFINER, since callers have no privilege on the tables; each begins
-- with pat_authorize and does nothing before it.
--

CREATE FUNCTION pat_mint(account_id integer, token json, created_by integer, created_by_token integer) RETURNS json
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    description text;
    expires_at  timestamptz;
    token_count integer;
    token_limit integer;
    secret      text;
    new_id      integer;
BEGIN
    @guard@
    PERFORM @extschema@.pat_check_body($2);
    description := @extschema@.pat_body_property($2, 'description', 'string', true);
    expires_at := @extschema@.pat_parse_time(@extschema@.pat_body_property($2, 'expiresAt', 'string', true));
    PERFORM @extschema@.pat_check_description(description);
    IF expires_at IS NULL THEN
        PERFORM @extschema@.pat_raise(400, 'BadDataError', 'The "expiresAt" property must be an RFC 3339 date-time.');
    ELSIF expires_at >= timestamptz '10000-01-01 00:00:00+00' THEN
        PERFORM @extschema@.pat_raise(400, 'BadDataError', 'The "expiresAt" property must be before the year 10000 in UTC.');
    ELSIF expires_at <= statement_timestamp() THEN
        PERFORM @extschema@.pat_raise(400, 'BadDataError', 'The expiry date should be in future.');
    END IF;
    -- one at a time for an account: the limit holds under concurrency
    PERFORM FROM @extschema@.pat_account a WHERE a.id = $1 AND a.deleted_at IS NULL FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM @extschema@.pat_raise(404, 'NotFoundError', format('Could not find the service account with ID "%s".', $1));
    END IF;
    token_count := @extschema@.pat_count_unexpired_tokens($1);
    token_limit := current_setting('pat.max_tokens_per_account');
    IF token_limit > 0 AND token_count >= token_limit THEN
        PERFORM @extschema@.pat_raise(403, 'OperationDeniedError',
            format('Too many PATs (%s) already exist for this user.', token_count));
    END IF;
    secret := @extschema@.pat_new_token_text(false);
    new_id := @extschema@.pat_insert_token($1, description, expires_at, secret, now(), NULL::timestamptz, $3, $4);
    RETURN @extschema@.pat_new_token_json(new_id, secret);
END
$$;
REVOKE ALL ON FUNCTION pat_mint(integer, json, integer, integer) FROM PUBLIC;
COMMENT ON FUNCTION pat_mint(integer, json, integer, integer) IS
'Creates a token as createPatSchema asks; returns patSchema with the secret, last. Errors: PT400, PT403, PT404, PT409, PT413. Owner only.';

CREATE FUNCTION pat_remove_token(account_id integer, id text, deleted_by integer, deleted_by_token integer) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    gone record;
BEGIN
    @guard@
    DELETE FROM @extschema@.pat_token t
        WHERE t.id = @extschema@.pat_id($2) AND t.account_id = $1
        RETURNING t.id, t.description, t.expires_at INTO gone;
    IF NOT FOUND THEN
        PERFORM @extschema@.pat_raise(404, 'NotFoundError', format('Could not find the token with ID "%s".', left($2, 100)));
    END IF;
    PERFORM @extschema@.pat_record_token('deleted', $1, gone.id, gone.description, gone.expires_at, $3, $4);
END
$$;
REVOKE ALL ON FUNCTION pat_remove_token(integer, text, integer, integer) FROM PUBLIC;
COMMENT ON FUNCTION pat_remove_token(integer, text, integer, integer) IS
'Deletes a token of that account and writes its event. Errors: PT404 the account has no such token. Owner only.';

CREATE FUNCTION pat_create_for_service_account(id text, token json, caller_token text) RETURNS json
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    caller record;
BEGIN
    @guard@
    caller := @extschema@.pat_authorize($3, 'ADMIN');
    RETURN @extschema@.pat_mint(@extschema@.pat_service_account_id($1), $2, caller.account_id, caller.token_id);
END
$$;
REVOKE ALL ON FUNCTION pat_create_for_service_account(text, json, text) FROM PUBLIC;
COMMENT ON FUNCTION pat_create_for_service_account(text, json, text) IS
'Creates a token of a service account. token: {"description","expiresAt"} (Unleash''s createPatSchema), other properties are ignored. Returns patSchema with "secret", the only time it is shown. Errors, in this order: PT401; PT403 caller lacks ADMIN; PT404; PT413, PT400 body; PT403 (OperationDeniedError) the account has pat.max_tokens_per_account unexpired tokens; PT409 description taken.';

CREATE FUNCTION pat_delete_for_service_account(id text, token_id text, caller_token text) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    caller record;
BEGIN
    @guard@
    caller := @extschema@.pat_authorize($3, 'ADMIN');
    PERFORM @extschema@.pat_remove_token(@extschema@.pat_service_account_id($1), $2, caller.account_id, caller.token_id);
END
$$;
REVOKE ALL ON FUNCTION pat_delete_for_service_account(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION pat_delete_for_service_account(text, text, text) IS
'Deletes a token of a service account; the next request with it is refused. Errors: PT401; PT403 caller lacks ADMIN; PT404 no such account, or the account has no such token.';

CREATE FUNCTION pat_list_service_accounts(caller_token text) RETURNS json
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    @guard@
    PERFORM @extschema@.pat_authorize_read($1, 'ADMIN');
    RETURN format('{"serviceAccounts":[%s],"rootRoles":[%s]}',
        (SELECT string_agg(@extschema@.pat_service_account_json(a.id)::text, ',' ORDER BY a.id)
         FROM @extschema@.pat_account a WHERE a.is_service AND a.deleted_at IS NULL),
        (SELECT string_agg(format('{"id":%s,"type":"root","name":%s,"description":%s}',
                                  r.id, to_json(r.name), to_json(r.description)), ',' ORDER BY r.id)
         FROM @extschema@.pat_role r));
END
$$;
REVOKE ALL ON FUNCTION pat_list_service_accounts(text) FROM PUBLIC;
COMMENT ON FUNCTION pat_list_service_accounts(text) IS
'All living service accounts with their tokens, and all roles, as Unleash''s serviceAccountsSchema, each ordered by id. Errors: PT401; PT403 caller lacks ADMIN.';

CREATE FUNCTION pat_create_service_account(account json, caller_token text) RETURNS json
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    caller record;
    new_id integer;
BEGIN
    @guard@
    caller := @extschema@.pat_authorize($2, 'ADMIN');
    PERFORM @extschema@.pat_check_body($1);
    new_id := @extschema@.pat_insert_account(
        @extschema@.pat_body_property($1, 'username', 'string', true),
        @extschema@.pat_body_property($1, 'name', 'string', true),
        @extschema@.pat_body_property($1, 'rootRole', 'integer', true)::integer,
        true, caller.account_id, caller.token_id);
    RETURN @extschema@.pat_service_account_json(new_id);
END
$$;
REVOKE ALL ON FUNCTION pat_create_service_account(json, text) FROM PUBLIC;
COMMENT ON FUNCTION pat_create_service_account(json, text) IS
'Creates a service account. account: {"username","name","rootRole"} (Unleash''s createServiceAccountSchema), other properties are ignored. Returns serviceAccountSchema. Errors, in this order: PT401; PT403 caller lacks ADMIN; PT413, PT400 body or role; PT409 username taken.';

CREATE FUNCTION pat_update_service_account(id text, account json, caller_token text) RETURNS json
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    caller   record;
    found_id integer;
    new_name text;
    new_role integer;
BEGIN
    @guard@
    caller := @extschema@.pat_authorize($3, 'ADMIN');
    found_id := @extschema@.pat_service_account_id($1);
    PERFORM @extschema@.pat_check_body($2);
    new_name := @extschema@.pat_body_property($2, 'name', 'string', false);
    new_role := @extschema@.pat_body_property($2, 'rootRole', 'integer', false)::integer;
    IF char_length(new_name) > 255 THEN
        PERFORM @extschema@.pat_raise(400, 'BadDataError', 'The "name" property must have at most 255 characters.');
    END IF;
    PERFORM @extschema@.pat_check_role(new_role);
    UPDATE @extschema@.pat_account a SET name = coalesce(new_name, a.name), root_role = coalesce(new_role, a.root_role)
        WHERE a.id = found_id AND a.deleted_at IS NULL;
    IF NOT FOUND THEN
        PERFORM @extschema@.pat_raise(404, 'NotFoundError', format('Could not find the service account with ID "%s".', $1));
    END IF;
    IF new_name IS NOT NULL OR new_role IS NOT NULL THEN
        PERFORM @extschema@.pat_record('service-account-updated', caller.account_id, caller.token_id,
            jsonb_strip_nulls(jsonb_build_object('id', found_id, 'name', new_name, 'rootRole', new_role)));
    ELSE
        PERFORM @extschema@.pat_token_used(caller.token_id);
    END IF;
    RETURN @extschema@.pat_service_account_json(found_id);
END
$$;
REVOKE ALL ON FUNCTION pat_update_service_account(text, json, text) FROM PUBLIC;
COMMENT ON FUNCTION pat_update_service_account(text, json, text) IS
'Changes name and role of a service account. account: {"name","rootRole"} (Unleash''s updateServiceAccountSchema), both optional, other properties are ignored. Returns serviceAccountSchema. Errors, in this order: PT401; PT403 caller lacks ADMIN; PT404; PT413, PT400 body or role.';

CREATE FUNCTION pat_delete_service_account(id text, caller_token text) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    caller record;
BEGIN
    @guard@
    caller := @extschema@.pat_authorize($2, 'ADMIN');
    IF NOT @extschema@.pat_remove_account(@extschema@.pat_service_account_id($1), caller.account_id, caller.token_id) THEN
        PERFORM @extschema@.pat_raise(404, 'NotFoundError', format('Could not find the service account with ID "%s".', $1));
    END IF;
END
$$;
REVOKE ALL ON FUNCTION pat_delete_service_account(text, text) FROM PUBLIC;
COMMENT ON FUNCTION pat_delete_service_account(text, text) IS
'Deletes a service account; the next request with one of its tokens is refused. Errors: PT401; PT403 caller lacks ADMIN; PT404.';

CREATE FUNCTION pat_create(token json, caller_token text) RETURNS json
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    caller record;
BEGIN
    @guard@
    caller := @extschema@.pat_authorize($2, NULL::text);
    IF caller.is_system THEN
        PERFORM @extschema@.pat_raise(403, 'ForbiddenError', 'PATs require an authenticated user.');
    ELSIF caller.is_service THEN
        PERFORM @extschema@.pat_raise(403, 'ForbiddenError', 'Service accounts cannot create tokens of their own.');
    END IF;
    RETURN @extschema@.pat_mint(caller.account_id, $1, caller.account_id, caller.token_id);
END
$$;
REVOKE ALL ON FUNCTION pat_create(json, text) FROM PUBLIC;
COMMENT ON FUNCTION pat_create(json, text) IS
'Creates a token of the caller, who must be a person. token and result: as pat_create_for_service_account. Errors, in this order: PT401; PT403 (ForbiddenError) the caller is an admin API token or a service account; PT413, PT400 body; PT403 (OperationDeniedError) too many tokens; PT409.';

CREATE FUNCTION pat_delete(token_id text, caller_token text) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    caller record;
BEGIN
    @guard@
    caller := @extschema@.pat_authorize($2, NULL::text);
    IF caller.is_system THEN
        PERFORM @extschema@.pat_raise(403, 'ForbiddenError', 'PATs require an authenticated user.');
    END IF;
    PERFORM @extschema@.pat_remove_token(caller.account_id, $1, caller.account_id, caller.token_id);
END
$$;
REVOKE ALL ON FUNCTION pat_delete(text, text) FROM PUBLIC;
COMMENT ON FUNCTION pat_delete(text, text) IS
'Deletes a token of the caller, even the one used for the call. Errors: PT401; PT403 (ForbiddenError) the caller is an admin API token; PT404 the caller has no such token.';
