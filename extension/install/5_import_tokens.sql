--
-- Import from Unleash: tokens, and the import as a whole
--
-- The only part that sees secrets.  What a constraint refuses would be shown
-- with the whole row: nothing may reach one that fails.
--

CREATE FUNCTION pat_import_token_hash(source_row jsonb, OUT hash bytea, OUT problem text)
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    secret   text := nullif($1->>'secret', '');
    verifier text := nullif($1->>'verifier', '');
    verified bytea;
BEGIN
    @guard@
    IF verifier ~ '^[A-Za-z0-9_-]{43}$' THEN
        verified := decode(translate(verifier, '-_', '+/') || '=', 'base64');
    END IF;
    hash := coalesce(@extschema@.pat_token_hash(secret), verified);
    problem := CASE
        WHEN secret IS NULL AND verifier IS NULL THEN 'has neither a secret nor a verifier'
        WHEN verifier IS NOT NULL AND verifier IS DISTINCT FROM translate(encode(verified, 'base64'), '+/=', '-_')
            THEN 'its verifier is not 32 bytes in base64url'
        WHEN hash <> verified THEN 'its secret and its verifier are not of one token'
        WHEN NOT @extschema@.pat_token_is_usable(secret) THEN 'its text could not be sent as a token' END;
END
$$;
REVOKE ALL ON FUNCTION pat_import_token_hash(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_token_hash(jsonb) IS
'The hash to keep: of the secret, or as the verifier gives it (Unleash: SHA-256 of the whole token in base64url); or why there is none. Owner only.';

CREATE FUNCTION pat_import_new_token(account_id integer, source_row jsonb, hash bytea, id_is_free boolean,
                                     OUT new_id integer, OUT changes text[])
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    source_id   bigint := $2->>'id';
    wanted      text := coalesce(nullif($2->>'description', ''), format('imported token %s', $2->>'id'));
    new_text    text;
    attempt     integer := 0;
BEGIN
    @guard@
    LOOP
        new_text := @extschema@.pat_import_variant(wanted, source_id, attempt);
        EXIT WHEN NOT EXISTS (SELECT FROM @extschema@.pat_token t
                              WHERE t.account_id = $1 AND t.description = new_text);
        attempt := attempt + 1;
    END LOOP;
    new_id := CASE WHEN $4 THEN source_id ELSE @extschema@.pat_next_id('pat_token') END;
    INSERT INTO @extschema@.pat_token
            (id, account_id, description, secret_hash, secret_sealed, created_at, expires_at, seen_at)
        VALUES (new_id, $1, new_text, $3, @extschema@.pat_token_seal(new_id, $1, nullif($2->>'secret', '')),
                coalesce(@extschema@.pat_import_time($2->>'created_at'), now()),
                @extschema@.pat_import_time($2->>'expires_at'), @extschema@.pat_import_time($2->>'seen_at'))
        ON CONFLICT (secret_hash) DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'token % of the source cannot be stored', source_id
            USING ERRCODE = 'unique_violation', HINT = 'Try again.';
    END IF;
    changes := array_remove(ARRAY[
        CASE WHEN new_id <> source_id THEN format('its id %s: now %s',
            CASE WHEN source_id > 2000000000 THEN 'is too high' ELSE 'is taken' END, new_id) END,
        CASE WHEN new_text IS DISTINCT FROM $2->>'description' THEN format('its description %s: now "%s"',
            CASE WHEN attempt > 0 THEN 'is taken' WHEN wanted = $2->>'description' THEN 'is too long' ELSE 'is empty' END,
            new_text) END,
        CASE WHEN $2->>'created_at' IS NULL THEN 'created_at is empty: now the time of the import' END], NULL)
        || @extschema@.pat_import_time_changes($2, '{created_at,expires_at,seen_at}'::text[]);
END
$$;
REVOKE ALL ON FUNCTION pat_import_new_token(integer, jsonb, bytea, boolean) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_new_token(integer, jsonb, bytea, boolean) IS
'Stores a token, sealed too where sealed storage is on and its text is known; tells its id and what had to change. Owner only.';

CREATE FUNCTION pat_import_token(source regnamespace, source_row jsonb, id_is_free boolean) RETURNS pat_import_line
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    line    record;
    account integer;
    known   integer;
    hash    bytea;
    same    record;
    changes text[];
BEGIN
    @guard@
    line := @extschema@.pat_import_begin_line('token', $2, 'skipped');
    account := @extschema@.pat_import_known_id($1, 'account', ($2->>'user_id')::bigint);
    known := @extschema@.pat_import_known_id($1, 'token', ($2->>'id')::bigint);
    SELECT h.hash, h.problem INTO hash, line.reason FROM @extschema@.pat_import_token_hash($2) h;
    IF line.reason IS NOT NULL THEN
        RETURN line;
    ELSIF account IS NULL THEN
        line.reason := format('its user %s did not come over', coalesce($2->>'user_id', 'is not told and'));
        RETURN line;
    END IF;
    SELECT t.id, t.account_id INTO same FROM @extschema@.pat_token t WHERE t.secret_hash = hash OR t.id = known
        ORDER BY t.secret_hash = hash DESC LIMIT 1;
    IF same.account_id <> account THEN
        line.reason := format('the account %s has this very token already, as token %s', same.account_id, same.id);
    ELSIF same.id IS NOT NULL OR known IS NOT NULL THEN
        line.result := 'unchanged';
        line.new_id := coalesce(same.id, known);
        line.reason := CASE WHEN same.id IS NULL THEN 'deleted here since its import; not brought back'
                            WHEN known IS NULL THEN format('is here already, as token %s', same.id) END;
    ELSE
        SELECT n.new_id, n.changes INTO line.new_id, changes
            FROM @extschema@.pat_import_new_token(account, $2, hash, $3) n;
        line.result := CASE changes WHEN '{}' THEN 'imported' ELSE 'adapted' END;
        line.reason := nullif(array_to_string(changes, '; '), '');
    END IF;
    IF known IS NULL THEN
        PERFORM @extschema@.pat_import_remember($1, 'token', $2, coalesce(line.new_id, same.id));
    END IF;
    RETURN line;
END
$$;
REVOKE ALL ON FUNCTION pat_import_token(regnamespace, jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_token(regnamespace, jsonb, boolean) IS
'Brings over one token. One that is stored here already is remembered too, so that it does not come back once it is deleted. Owner only.';

CREATE FUNCTION pat_import_tokens(source regnamespace) RETURNS SETOF pat_import_line
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    token record;
BEGIN
    @guard@
    -- an id that the audit trail knows, as a token's of this database, is nobody else's any more
    FOR token IN
        WITH used AS MATERIALIZED (
            SELECT t.id FROM @extschema@.pat_token t
            UNION SELECT i.new_id FROM @extschema@.pat_import i WHERE i.item = 'token'
            UNION SELECT e.token_id FROM @extschema@.pat_event e WHERE e.token_id IS NOT NULL
            UNION SELECT @extschema@.pat_id(e.data->>'id') FROM @extschema@.pat_event e
                  WHERE e.type ~ '^(pat|api-token|service-account-token)-(created|expired|deleted)$'
        )
        SELECT r AS source_row, (r->>'id')::bigint BETWEEN 1 AND 2000000000 AND u.id IS NULL AS id_is_free
        FROM @extschema@.pat_import_read($1, 'personal_access_tokens', '{id,user_id,secret}',
                 '{selector,verifier,description,created_at,expires_at,seen_at}', false) r
            LEFT JOIN used u ON u.id = (r->>'id')::bigint
        ORDER BY (r->>'id')::bigint
    LOOP
        RETURN NEXT @extschema@.pat_import_token($1, token.source_row, token.id_is_free);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION pat_import_tokens(regnamespace) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_tokens(regnamespace) IS 'Brings over all tokens, in the order of their ids. Owner only.';

--
-- The import
--

CREATE FUNCTION pat_import_vanished(source regnamespace) RETURNS SETOF pat_import_line
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    @guard@
    RETURN QUERY
        WITH present AS MATERIALIZED (SELECT s.item, s.source_id FROM @extschema@.pat_import_ids($1) s)
        SELECT i.item, i.source_id, 'unchanged'::text, i.new_id, 'no longer in the source; still here'::text
        FROM @extschema@.pat_import i JOIN pg_namespace n ON n.nspname = i.source
        WHERE n.oid = $1
          AND NOT EXISTS (SELECT FROM present p WHERE p.item = i.item AND p.source_id = i.source_id)
          AND CASE i.item WHEN 'role' THEN i.new_id > 3 AND EXISTS (SELECT FROM @extschema@.pat_role r WHERE r.id = i.new_id)
                          WHEN 'account' THEN EXISTS (SELECT FROM @extschema@.pat_account a WHERE a.id = i.new_id AND a.deleted_at IS NULL)
                          ELSE EXISTS (SELECT FROM @extschema@.pat_token t WHERE t.id = i.new_id) END
        ORDER BY array_position(ARRAY['role', 'account', 'token'], i.item), i.source_id;
END
$$;
REVOKE ALL ON FUNCTION pat_import_vanished(regnamespace) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_vanished(regnamespace) IS
'What was imported earlier, is gone from the source by now and still here: tokens revoked there, above all. Owner only.';

CREATE FUNCTION pat_import_unleash(source_schema regnamespace)
    RETURNS TABLE (item text, result text, count bigint, source_id bigint, new_id integer, reason text)
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    SET timezone = 'UTC'
    SET datestyle = 'ISO, YMD'
    SET row_security = off
    SET quote_all_identifiers = off
AS $$
DECLARE
    lines   @extschema@.pat_import_line[];
    absent  text;
    summary jsonb;
BEGIN
    @guard@
    IF $1 IS NULL THEN
        RAISE EXCEPTION 'source_schema must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    -- nobody else creates anything meanwhile; reading goes on
    -- in the order that all transactions keep (storage/relations.c), before anything is read
    LOCK TABLE @extschema@.pat_role, @extschema@.pat_role_permission, @extschema@.pat_token, @extschema@.pat_account,
               @extschema@.pat_import IN SHARE ROW EXCLUSIVE MODE;
    LOCK TABLE @extschema@.pat_event IN ROW EXCLUSIVE MODE;
    PERFORM @extschema@.pat_import_check_source($1);
    PERFORM @extschema@.pat_import_reserve_ids($1);
    lines := ARRAY(SELECT l FROM @extschema@.pat_import_roles($1) l);
    lines := lines || ARRAY(SELECT l FROM @extschema@.pat_import_accounts($1) l);
    lines := lines || ARRAY(SELECT l FROM @extschema@.pat_import_tokens($1) l);
    lines := lines || ARRAY(SELECT l FROM @extschema@.pat_import_vanished($1) l);

    SELECT string_agg(t, ', ') INTO absent FROM unnest('{groups,group_user,group_role}'::text[]) t
        WHERE to_regclass(format('%s.%I', $1, t)) IS NULL;
    IF absent IS NOT NULL THEN
        RETURN QUERY SELECT 'table'::text, 'skipped'::text, NULL::bigint, NULL::bigint, NULL::integer,
            format('not in the schema: %s; root roles through groups are not known', absent);
    END IF;
    RETURN QUERY SELECT l.item, l.result, NULL::bigint, l.source_id, l.new_id, l.reason
        FROM unnest(lines) WITH ORDINALITY l (item, source_id, result, new_id, reason, n)
        WHERE l.reason IS NOT NULL ORDER BY l.n;
    RETURN QUERY SELECT i, r, count(l.item), NULL::bigint, NULL::integer, NULL::text
        FROM unnest('{role,account,token}'::text[]) WITH ORDINALITY i (i, i_no)
            CROSS JOIN unnest('{imported,adapted,unchanged,skipped}'::text[]) WITH ORDINALITY r (r, r_no)
            LEFT JOIN unnest(lines) l ON l.item = i AND l.result = r
        GROUP BY i, i_no, r, r_no ORDER BY i_no, r_no;

    IF EXISTS (SELECT FROM unnest(lines) l WHERE l.result IN ('imported', 'adapted')) THEN
        SELECT jsonb_object_agg(s.item || 's', s.results) INTO summary
            FROM (SELECT c.item, jsonb_object_agg(c.result, c.count) AS results
                  FROM (SELECT l.item, l.result, count(*) AS count FROM unnest(lines) l GROUP BY l.item, l.result) c
                  GROUP BY c.item) s;
        PERFORM @extschema@.pat_record('unleash-imported', NULL::integer, NULL::integer,
                                       jsonb_build_object('source', n.nspname) || summary)
            FROM pg_namespace n WHERE n.oid = $1;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION pat_import_unleash(regnamespace) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_unleash(regnamespace) IS
'Brings people, service accounts, root roles and personal access tokens over from Unleash''s tables in that schema of this database; may be run again. Rows with a reason tell what became of one row of the source, rows with a count sum up. Result: imported as it is; adapted: imported, changed as the reason tells; unchanged: nothing done; skipped: not imported. Errors: undefined_table, undefined_column the tables are not those of Unleash; object_not_in_prerequisite_state the schema holds another installation than before; those of pat_token_seal. Owner only.';
