--
-- JSON Web Tokens: the keys that may sign caller tokens
--

CREATE FUNCTION pat_jwt_key_changed() RETURNS trigger
    LANGUAGE C PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'pat_jwt_key_changed';
REVOKE ALL ON FUNCTION pat_jwt_key_changed() FROM PUBLIC;
COMMENT ON FUNCTION pat_jwt_key_changed() IS 'Trigger: makes every backend read the keys anew, from the commit of the change on.';

-- What a subscription brings counts too: it fires triggers that are always enabled, and of those
-- on single rows only.  TRUNCATE has but triggers on statements.  A restore with --disable-triggers
-- enables them as any others: doc/sql.md says what to do then.
CREATE TRIGGER pat_jwt_key_changed AFTER INSERT OR UPDATE OR DELETE ON pat_jwt_key
    FOR EACH ROW EXECUTE FUNCTION pat_jwt_key_changed();
ALTER TABLE pat_jwt_key ENABLE ALWAYS TRIGGER pat_jwt_key_changed;
CREATE TRIGGER pat_jwt_key_truncated AFTER TRUNCATE ON pat_jwt_key
    FOR EACH STATEMENT EXECUTE FUNCTION pat_jwt_key_changed();
ALTER TABLE pat_jwt_key ENABLE ALWAYS TRIGGER pat_jwt_key_truncated;

CREATE FUNCTION pat_jwt_key_problem(algorithm text, key bytea) RETURNS text
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'pat_jwt_key_problem';
REVOKE ALL ON FUNCTION pat_jwt_key_problem(text, bytea) FROM PUBLIC;
COMMENT ON FUNCTION pat_jwt_key_problem(text, bytea) IS
'Why a key cannot serve an algorithm; NULL if it can. HS256/384/512: a secret of at least 32/48/64 bytes (RFC 7518, 3.2). RS*: an RSA public key in PEM form of 2048 to 16384 bits (3.3). ES256/384/512: a public key in PEM form on P-256/P-384/P-521 (3.4). Owner only.';

CREATE FUNCTION pat_add_jwt_key(kid text, algorithm text, key bytea, issuer text DEFAULT NULL,
                                audience text DEFAULT NULL, subject_claim text DEFAULT 'sub')
    RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    problem text;
BEGIN
    @guard@
    problem := CASE
        WHEN coalesce(char_length($1), 0) NOT BETWEEN 1 AND 255 THEN 'the kid must have 1 to 255 characters'
        WHEN coalesce(char_length($6), 0) NOT BETWEEN 1 AND 255 THEN 'the subject claim must have 1 to 255 characters'
        WHEN $2 IS NULL OR $3 IS NULL THEN 'algorithm and key are required'
        WHEN octet_length($3) > 16384 THEN 'the key must have at most 16384 bytes'
        ELSE @extschema@.pat_jwt_key_problem($2, $3) END;
    PERFORM @extschema@.pat_begin_change();
    IF problem IS NOT NULL THEN
        PERFORM @extschema@.pat_raise(400, 'BadDataError', format('Could not add the key: %s.', problem));
    END IF;
    INSERT INTO @extschema@.pat_jwt_key (id, kid, algorithm, key, issuer, audience, subject_claim)
        VALUES (@extschema@.pat_next_id('pat_jwt_key'), $1, $2, $3, $4, $5, $6)
        ON CONFLICT (kid) DO NOTHING;
    IF NOT FOUND THEN
        PERFORM @extschema@.pat_raise(409, 'NameExistsError', format('A key with the kid "%s" already exists.', $1));
    END IF;
    PERFORM @extschema@.pat_record('jwt-key-added', NULL::integer, NULL::integer,
        jsonb_build_object('kid', $1, 'algorithm', $2, 'issuer', $4, 'audience', $5, 'subjectClaim', $6));
END
$$;
REVOKE ALL ON FUNCTION pat_add_jwt_key(text, text, bytea, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION pat_add_jwt_key(text, text, bytea, text, text, text) IS
'Lets the holder of a key sign caller tokens. kid: 1 to 255 characters, unique, retired ones included. algorithm and key: see pat_jwt_key_problem. issuer, audience: what iss must be, and aud be or hold; NULL = any iss, no aud. subject_claim: the claim that names the account, by id or username; by username, iat is required and must not be before the account has had that name. Errors: PT400, PT409. Owner only.';

CREATE FUNCTION pat_add_jwt_key(kid text, algorithm text, key text, issuer text DEFAULT NULL,
                                audience text DEFAULT NULL, subject_claim text DEFAULT 'sub')
    RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    @guard@
    PERFORM @extschema@.pat_add_jwt_key($1, $2, convert_to($3, 'UTF8'), $4, $5, $6);
END
$$;
REVOKE ALL ON FUNCTION pat_add_jwt_key(text, text, text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION pat_add_jwt_key(text, text, text, text, text, text) IS
'The same for a key that is text: a public key in PEM form, or a secret, of which the UTF-8 bytes count. Owner only.';

CREATE FUNCTION pat_list_jwt_keys()
    RETURNS TABLE (kid text, algorithm text, issuer text, audience text, subject_claim text,
                   created_at timestamptz, retired_at timestamptz)
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    @guard@
    RETURN QUERY
        SELECT k.kid, k.algorithm, k.issuer, k.audience, k.subject_claim,
            k.created_at::timestamptz, k.retired_at::timestamptz
        FROM @extschema@.pat_jwt_key k ORDER BY k.id;
END
$$;
REVOKE ALL ON FUNCTION pat_list_jwt_keys() FROM PUBLIC;
COMMENT ON FUNCTION pat_list_jwt_keys() IS 'All keys without their secrets, oldest first. Owner only.';

CREATE FUNCTION pat_retire_jwt_key(kid text) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    @guard@
    PERFORM @extschema@.pat_begin_change();
    UPDATE @extschema@.pat_jwt_key k SET retired_at = now() WHERE k.kid = $1 AND k.retired_at IS NULL;
    IF NOT FOUND THEN
        PERFORM @extschema@.pat_raise(404, 'NotFoundError', format('Could not find a key in force with the kid "%s".', $1));
    END IF;
    PERFORM @extschema@.pat_record('jwt-key-retired', NULL::integer, NULL::integer, jsonb_build_object('kid', $1));
END
$$;
REVOKE ALL ON FUNCTION pat_retire_jwt_key(text) FROM PUBLIC;
COMMENT ON FUNCTION pat_retire_jwt_key(text) IS
'Ends the force of a key: tokens signed with it are refused from the next request on. Its row stays. Errors: PT404. Owner only.';

CREATE FUNCTION pat_delete_jwt_key(kid text) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    @guard@
    PERFORM @extschema@.pat_begin_change();
    DELETE FROM @extschema@.pat_jwt_key k WHERE k.kid = $1;
    IF NOT FOUND THEN
        PERFORM @extschema@.pat_raise(404, 'NotFoundError', format('Could not find a key with the kid "%s".', $1));
    END IF;
    PERFORM @extschema@.pat_record('jwt-key-deleted', NULL::integer, NULL::integer, jsonb_build_object('kid', $1));
END
$$;
REVOKE ALL ON FUNCTION pat_delete_jwt_key(text) FROM PUBLIC;
COMMENT ON FUNCTION pat_delete_jwt_key(text) IS
'Deletes a key, in force or retired; tokens signed with it are refused from the next request on. Errors: PT404. Owner only.';

CREATE FUNCTION pat_jwt_account(token text, at timestamptz) RETURNS integer
    LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'pat_jwt_account';
REVOKE ALL ON FUNCTION pat_jwt_account(text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION pat_jwt_account(text, timestamptz) IS
'The account that a JSON Web Token speaks for at a given time, by the keys and accounts of now; NULL if it speaks for none. For finding out why a caller is refused. Owner only.';

--
-- pgjwt's API, for those who mint in SQL
--

CREATE FUNCTION pat_jwt_sign(payload json, secret text, algorithm text DEFAULT 'HS256') RETURNS text
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'pat_jwt_sign';
REVOKE ALL ON FUNCTION pat_jwt_sign(json, text, text) FROM PUBLIC;
COMMENT ON FUNCTION pat_jwt_sign(json, text, text) IS
'A JSON Web Token over the payload as it is written, byte for byte as pgjwt''s sign; pat_jwt_verify can read it. payload: an object with at most 128 members, no name twice, nested at most 32 deep; exp, nbf and iat, if there, numbers. algorithm: HS256, HS384 or HS512. Errors: invalid_parameter_value for another algorithm or payload; program_limit_exceeded for a token of more than 8192 bytes.';

CREATE FUNCTION pat_jwt_read(token text, secret text, algorithm text, OUT header json, OUT payload json, OUT valid boolean)
    LANGUAGE C STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'pat_jwt_read';
REVOKE ALL ON FUNCTION pat_jwt_read(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION pat_jwt_read(text, text, text) IS 'What pat_jwt_verify returns, as one row. Errors: those of pat_jwt_verify.';

CREATE FUNCTION pat_jwt_verify(token text, secret text, algorithm text DEFAULT 'HS256')
    RETURNS TABLE (header json, payload json, valid boolean)
    LANGUAGE sql STABLE STRICT PARALLEL SAFE ROWS 1
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT r.header, r.payload, r.valid FROM @extschema@.pat_jwt_read($1, $2, $3) r;
END;
REVOKE ALL ON FUNCTION pat_jwt_verify(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION pat_jwt_verify(text, text, text) IS
'Header and payload of a JSON Web Token (NULL where unreadable), and whether it is valid: signed with the secret by this algorithm, nbf and exp, if there, numbers with nbf <= now < exp. iat, if there, must be a number and is not compared with the clock. A token of more than 8192 bytes is not valid. Never raises for what the token holds. Errors: invalid_parameter_value for an algorithm other than HS256, HS384 and HS512. Columns as pgjwt''s verify.';
