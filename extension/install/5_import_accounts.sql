--
-- Import from Unleash: roles and accounts
--
-- Each function brings over one row and returns its line of the report.
--

CREATE FUNCTION pat_import_permissions(source regnamespace) RETURNS TABLE (role_id bigint, permission text)
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    @guard@
    IF EXISTS (SELECT FROM pg_attribute a
               WHERE a.attrelid = to_regclass(format('%s.role_permission', $1))
                 AND a.attname = 'permission' AND NOT a.attisdropped) THEN
        RETURN QUERY SELECT DISTINCT (r->>'role_id')::bigint, r->>'permission'
            FROM @extschema@.pat_import_read($1, 'role_permission', '{role_id,permission}', '{}', false) r
            WHERE r->>'permission' IS NOT NULL;
    ELSE
        RETURN QUERY SELECT DISTINCT (r->>'role_id')::bigint, p->>'permission'
            FROM @extschema@.pat_import_read($1, 'role_permission', '{role_id,permission_id}', '{}', false) r
                JOIN @extschema@.pat_import_read($1, 'permissions', '{id,permission}', '{}', false) p
                    ON p->'id' = r->'permission_id'
            WHERE p->>'permission' IS NOT NULL;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION pat_import_permissions(regnamespace) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_permissions(regnamespace) IS
'What each role of the source permits, whatever project or environment it is for. Before 5.8 Unleash kept permissions by id. Owner only.';

CREATE FUNCTION pat_import_new_role(source_row jsonb, permissions text[], OUT new_id integer, OUT changes text[])
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    source_id bigint := $1->>'id';
    wanted    text := coalesce(nullif($1->>'name', ''), format('imported role %s', $1->>'id'));
    new_name  text;
    attempt   integer := 0;
    refused   text[];
BEGIN
    @guard@
    LOOP
        new_name := @extschema@.pat_import_variant(wanted, source_id, attempt);
        EXIT WHEN NOT EXISTS (SELECT FROM @extschema@.pat_role r WHERE r.name = new_name);
        attempt := attempt + 1;
    END LOOP;
    new_id := CASE WHEN source_id BETWEEN 1 AND 2000000000
                        AND NOT EXISTS (SELECT FROM @extschema@.pat_role r WHERE r.id = source_id)
                   THEN source_id ELSE @extschema@.pat_next_id('pat_role') END;
    INSERT INTO @extschema@.pat_role (id, name, description) VALUES (new_id, new_name, coalesce($1->>'description', ''));
    INSERT INTO @extschema@.pat_role_permission (role_id, permission)
        SELECT new_id, p FROM unnest($2) p WHERE p ~ '^[A-Z][A-Z0-9_]{0,99}$';
    refused := ARRAY(SELECT left(p, 100) FROM unnest($2) p WHERE p !~ '^[A-Z][A-Z0-9_]{0,99}$' ORDER BY p);
    changes := array_remove(ARRAY[
        CASE WHEN new_id <> source_id THEN format('its id %s: now %s',
            CASE WHEN source_id > 2000000000 THEN 'is too high' ELSE 'is taken' END, new_id) END,
        CASE WHEN new_name IS DISTINCT FROM $1->>'name' THEN format('its name %s: now "%s"',
            CASE WHEN attempt > 0 THEN 'is taken' WHEN wanted = $1->>'name' THEN 'is too long' ELSE 'is empty' END, new_name) END,
        CASE WHEN refused <> '{}' THEN format('not names of permissions: "%s"', array_to_string(refused, '", "')) END], NULL);
END
$$;
REVOKE ALL ON FUNCTION pat_import_new_role(jsonb, text[]) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_new_role(jsonb, text[]) IS 'Stores a custom root role; tells its id and what had to change. Owner only.';

CREATE FUNCTION pat_import_role(source regnamespace, source_row jsonb, permissions text[]) RETURNS pat_import_line
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    line    record;
    changes text[];
BEGIN
    @guard@
    line := @extschema@.pat_import_begin_line('role', $2, 'unchanged');
    IF coalesce($2->>'type', '') NOT IN ('root', 'root-custom') THEN
        line.result := 'skipped';
        line.reason := format('"%s" is a role in projects; accounts here have root roles only', left($2->>'name', 255));
        RETURN line;
    END IF;
    line.new_id := @extschema@.pat_import_known_id($1, 'role', line.source_id);
    IF line.new_id IS NOT NULL THEN
        IF NOT EXISTS (SELECT FROM @extschema@.pat_role r WHERE r.id = line.new_id) THEN
            line.reason := 'deleted here since its import; not brought back';
        END IF;
        RETURN line;
    END IF;
    SELECT r.id INTO line.new_id FROM @extschema@.pat_role r
        WHERE r.id IN (1, 2, 3) AND r.name = $2->>'name' AND $2->>'type' = 'root';
    IF NOT FOUND THEN
        SELECT n.new_id, n.changes INTO line.new_id, changes FROM @extschema@.pat_import_new_role($2, $3) n;
        line.result := CASE changes WHEN '{}' THEN 'imported' ELSE 'adapted' END;
        line.reason := nullif(array_to_string(changes, '; '), '');
    ELSIF line.new_id <> 1 AND 'ADMIN' = ANY ($3) THEN
        line.reason := format('grants ADMIN in the source; the role %s that stands for it here stays as it is', line.new_id);
    ELSIF line.new_id <> line.source_id THEN
        line.reason := format('the role %s that the extension ships stands for it', line.new_id);
    END IF;
    PERFORM @extschema@.pat_import_remember($1, 'role', $2, line.new_id);
    RETURN line;
END
$$;
REVOKE ALL ON FUNCTION pat_import_role(regnamespace, jsonb, text[]) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_role(regnamespace, jsonb, text[]) IS
'Brings over one role: Admin, Editor and Viewer are the shipped ones, which stay as they are; custom root roles come with their permissions. Owner only.';

CREATE FUNCTION pat_import_roles(source regnamespace) RETURNS SETOF pat_import_line
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    role record;
BEGIN
    @guard@
    FOR role IN
        WITH granted AS MATERIALIZED (
            SELECT p.role_id, array_agg(p.permission ORDER BY p.permission) AS permissions
            FROM @extschema@.pat_import_permissions($1) p GROUP BY p.role_id
        )
        SELECT r AS source_row, coalesce(g.permissions, '{}') AS permissions
        FROM @extschema@.pat_import_read($1, 'roles', '{id,name,type}', '{description,created_at}', false) r
            LEFT JOIN granted g ON g.role_id = (r->>'id')::bigint
        ORDER BY (r->>'id')::bigint
    LOOP
        RETURN NEXT @extschema@.pat_import_role($1, role.source_row, role.permissions);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION pat_import_roles(regnamespace) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_roles(regnamespace) IS 'Brings over all roles, in the order of their ids. Owner only.';

--
-- Accounts
--

CREATE FUNCTION pat_import_root_roles(source regnamespace) RETURNS TABLE (user_id bigint, role_id bigint)
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    @guard@
    RETURN QUERY
        SELECT (r->>'user_id')::bigint, (r->>'role_id')::bigint
        FROM @extschema@.pat_import_read($1, 'role_user', '{user_id,role_id}', '{}', false) r
        UNION
        SELECT (u->>'user_id')::bigint, (r->>'role_id')::bigint
        FROM @extschema@.pat_import_read($1, 'group_user', '{group_id,user_id}', '{}', true) u
            JOIN @extschema@.pat_import_read($1, 'group_role', '{group_id,role_id}', '{}', true) r ON r->'group_id' = u->'group_id'
        UNION
        SELECT (u->>'user_id')::bigint, (g->>'root_role_id')::bigint
        FROM @extschema@.pat_import_read($1, 'group_user', '{group_id,user_id}', '{}', true) u
            JOIN @extschema@.pat_import_read($1, 'groups', '{id}', '{root_role_id}', true) g ON g->'id' = u->'group_id';
END
$$;
REVOKE ALL ON FUNCTION pat_import_root_roles(regnamespace) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_root_roles(regnamespace) IS
'Which roles a user has, directly or through groups, in whatever project, as Unleash itself looks for root roles. Owner only.';

CREATE FUNCTION pat_import_role_choices(source regnamespace)
    RETURNS TABLE (user_id bigint, role_ids integer[], role_names text[])
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    @guard@
    RETURN QUERY
        WITH size AS MATERIALIZED (
            SELECT p.role_id, count(*) AS permissions FROM @extschema@.pat_import_permissions($1) p GROUP BY p.role_id
        ), rank AS MATERIALIZED (
            SELECT i.source_id, r.id, r.name,
                   row_number() OVER (ORDER BY a.role_id IS NULL, coalesce(s.permissions, 0) DESC, i.source_id) AS rank
            FROM @extschema@.pat_import i
                JOIN pg_namespace n ON n.nspname = i.source
                JOIN @extschema@.pat_role r ON r.id = i.new_id
                LEFT JOIN @extschema@.pat_role_permission a ON a.role_id = r.id AND a.permission = 'ADMIN'
                LEFT JOIN size s ON s.role_id = i.source_id
            WHERE n.oid = $1 AND i.item = 'role'
        )
        SELECT g.user_id, array_agg(k.id ORDER BY k.rank), array_agg(k.name ORDER BY k.rank)
        FROM @extschema@.pat_import_root_roles($1) g JOIN rank k ON k.source_id = g.role_id
        GROUP BY g.user_id;
END
$$;
REVOKE ALL ON FUNCTION pat_import_role_choices(regnamespace) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_role_choices(regnamespace) IS
'The root roles of each user as roles here, the one to keep first: one that grants ADMIN here, else the one with the most permissions in the source, else the lowest id. Owner only.';

CREATE FUNCTION pat_import_new_account(source_row jsonb, role_ids integer[], role_names text[], id_is_free boolean,
                                       OUT new_id integer, OUT changes text[])
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    source_id   bigint := $1->>'id';
    is_deleted  boolean := $1->>'deleted_at' IS NOT NULL;
    source_name text := coalesce(nullif($1->>'username', ''), nullif($1->>'email', ''));
    wanted      text := coalesce(source_name, CASE WHEN NOT is_deleted THEN format('imported user %s', source_id) END);
    new_name    text;
    attempt     integer := 0;
BEGIN
    @guard@
    LOOP
        new_name := @extschema@.pat_import_variant(wanted, source_id, attempt);
        EXIT WHEN is_deleted OR NOT EXISTS (SELECT FROM @extschema@.pat_account a
                                            WHERE a.username = new_name AND a.deleted_at IS NULL);
        attempt := attempt + 1;
    END LOOP;
    new_id := CASE WHEN $4 THEN source_id ELSE @extschema@.pat_next_id('pat_account') END;
    INSERT INTO @extschema@.pat_account (id, username, name, is_service, root_role, created_at, deleted_at)
        VALUES (new_id, new_name, left($1->>'name', 255), coalesce(($1->>'is_service')::boolean, false), $2[1],
                coalesce(@extschema@.pat_import_time($1->>'created_at'), now()), @extschema@.pat_import_time($1->>'deleted_at'));
    changes := array_remove(ARRAY[
        CASE WHEN new_id <> source_id THEN format('its id %s: now %s',
            CASE WHEN source_id > 2000000000 THEN 'is too high' ELSE 'is taken' END, new_id) END,
        CASE WHEN new_name IS DISTINCT FROM source_name THEN format('its username %s: now "%s"',
            CASE WHEN source_name IS NULL THEN 'is empty' WHEN attempt > 0 THEN 'is taken' ELSE 'is too long' END, new_name) END,
        CASE WHEN length($1->>'name') > 255 THEN 'its name is cut to 255 characters' END,
        CASE WHEN cardinality($2) > 1 THEN format('of its root roles "%s" the first is kept', array_to_string($3, '", "')) END,
        CASE WHEN $1->>'created_at' IS NULL THEN 'created_at is empty: now the time of the import' END], NULL)
        || @extschema@.pat_import_time_changes($1, '{created_at,deleted_at}'::text[]);
END
$$;
REVOKE ALL ON FUNCTION pat_import_new_account(jsonb, integer[], text[], boolean) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_new_account(jsonb, integer[], text[], boolean) IS 'Stores a user; tells its id and what had to change. Owner only.';

CREATE FUNCTION pat_import_compare_account(source_row jsonb, role_ids integer[], account_id integer) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    account            record;
    is_deleted_there   boolean := $1->>'deleted_at' IS NOT NULL;
BEGIN
    @guard@
    SELECT a.deleted_at IS NOT NULL AS is_deleted, a.root_role INTO account
        FROM @extschema@.pat_account a WHERE a.id = $3;
    IF account.is_deleted IS DISTINCT FROM false THEN
        RETURN CASE WHEN NOT is_deleted_there THEN 'deleted here since its import; not brought back' END;
    ELSIF is_deleted_there THEN
        RETURN 'deleted in the source since its import; alive here';
    ELSIF account.root_role IS DISTINCT FROM $2[1] THEN
        RETURN format('its root role here is %s; that of the source would be %s now',
                      coalesce(account.root_role::text, 'none'), coalesce($2[1]::text, 'none'));
    END IF;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION pat_import_compare_account(jsonb, integer[], integer) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_compare_account(jsonb, integer[], integer) IS
'How an account imported earlier differs from its user by now; NULL = not in what matters to tokens. Owner only.';

CREATE FUNCTION pat_import_account(source regnamespace, source_row jsonb, role_ids integer[], role_names text[],
                                   id_is_free boolean)
    RETURNS pat_import_line
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    line    record;
    changes text[];
BEGIN
    @guard@
    line := @extschema@.pat_import_begin_line('account', $2, 'unchanged');
    IF line.source_id <= 0 OR ($2->>'is_system')::boolean THEN
        line.result := 'skipped';
        line.reason := format('"%s" is a user of Unleash''s own, nobody''s account', left($2->>'username', 255));
        RETURN line;
    END IF;
    line.new_id := @extschema@.pat_import_known_id($1, 'account', line.source_id);
    IF line.new_id IS NOT NULL THEN
        line.reason := @extschema@.pat_import_compare_account($2, $3, line.new_id);
        RETURN line;
    END IF;
    SELECT n.new_id, n.changes INTO line.new_id, changes FROM @extschema@.pat_import_new_account($2, $3, $4, $5) n;
    line.result := CASE changes WHEN '{}' THEN 'imported' ELSE 'adapted' END;
    IF $3 IS NULL AND $2->>'deleted_at' IS NULL THEN
        changes := changes || 'has no root role'::text;
    END IF;
    line.reason := nullif(array_to_string(changes, '; '), '');
    PERFORM @extschema@.pat_import_remember($1, 'account', $2, line.new_id);
    RETURN line;
END
$$;
REVOKE ALL ON FUNCTION pat_import_account(regnamespace, jsonb, integer[], text[], boolean) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_account(regnamespace, jsonb, integer[], text[], boolean) IS 'Brings over one user. Owner only.';

CREATE FUNCTION pat_import_accounts(source regnamespace) RETURNS SETOF pat_import_line
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    account record;
BEGIN
    @guard@
    -- an id that the audit trail knows, as an account's of this database, is nobody else's any more:
    -- JSON Web Tokens may name it
    FOR account IN
        WITH choice AS MATERIALIZED (
            SELECT * FROM @extschema@.pat_import_role_choices($1)
        ), used AS MATERIALIZED (
            SELECT a.id FROM @extschema@.pat_account a
            UNION SELECT i.new_id FROM @extschema@.pat_import i WHERE i.item = 'account'
            UNION SELECT @extschema@.pat_id(e.data->>'id') FROM @extschema@.pat_event e
                  WHERE e.type ~ '^(user|service-account)-(created|updated|deleted)$'
        )
        SELECT u AS source_row, c.role_ids, c.role_names,
            (u->>'id')::bigint BETWEEN 1 AND 2000000000 AND d.id IS NULL AS id_is_free
        FROM @extschema@.pat_import_read($1, 'users', '{id}',
                 '{username,email,name,is_service,is_system,created_at,deleted_at}', false) u
            LEFT JOIN choice c ON c.user_id = (u->>'id')::bigint
            LEFT JOIN used d ON d.id = (u->>'id')::bigint
        ORDER BY (u->>'id')::bigint
    LOOP
        RETURN NEXT @extschema@.pat_import_account($1, account.source_row, account.role_ids, account.role_names, account.id_is_free);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION pat_import_accounts(regnamespace) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_accounts(regnamespace) IS 'Brings over all users, in the order of their ids. Owner only.';
