--
-- Import from Unleash: reading the source, what is known of it, rules for values
--
-- The import runs with the rights of whoever calls.  Unleash's tables are read
-- in pat_import_read only, by names found in the catalog.  No secret and no hash
-- gets into a message, a report or an event.
--

CREATE TABLE pat_import
(
    source            name     NOT NULL,
    item              text     NOT NULL CHECK (item IN ('role', 'account', 'token')),
    source_id         bigint   NOT NULL,
    source_created_at timestamptz,
    new_id            integer  NOT NULL,
    imported_at       pat_time NOT NULL DEFAULT now(),
    PRIMARY KEY (source, item, source_id)
);

COMMENT ON TABLE pat_import IS 'What pat_import_unleash has brought over, so that it brings nothing twice and nothing back that was deleted here since.';
COMMENT ON COLUMN pat_import.source IS 'Name of the schema it was read from; it stands for one installation of Unleash.';
COMMENT ON COLUMN pat_import.source_created_at IS 'created_at in the source. With the id it tells a row from the one of another installation.';
COMMENT ON COLUMN pat_import.new_id IS 'The id here, of a pat_role, pat_account or pat_token that may be gone by now.';

SELECT pg_catalog.pg_extension_config_dump('pat_import', '');

CREATE TYPE pat_import_line AS (item text, source_id bigint, result text, new_id integer, reason text);
COMMENT ON TYPE pat_import_line IS 'What became of one row of the source: imported, adapted, unchanged or skipped. reason: NULL = nothing worth telling.';

CREATE FUNCTION pat_import_begin_line(item text, source_row jsonb, result text) RETURNS pat_import_line
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT $1, ($2->>'id')::bigint, $3, NULL::integer, NULL::text
$$;
REVOKE ALL ON FUNCTION pat_import_begin_line(text, jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_begin_line(text, jsonb, text) IS
'The line of the report for a row of the source, to be completed. Owner only.';

CREATE FUNCTION pat_import_read(source regnamespace, table_name text, required text, optional text, may_be_absent boolean)
    RETURNS SETOF jsonb
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    relation regclass := to_regclass(format('%s.%I', $1, $2));
    wanted   name[] := $3;
    welcome  name[] := $4;
    columns  name[];
    absent   name;
BEGIN
    IF relation IS NULL AND $5 THEN
        RETURN;
    ELSIF relation IS NULL THEN
        RAISE EXCEPTION 'schema % has no table %', $1, quote_ident($2)
            USING ERRCODE = 'undefined_table', HINT = 'Restore the tables of Unleash into that schema first.';
    END IF;
    columns := ARRAY(SELECT a.attname FROM pg_attribute a
                   WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = ANY (wanted || welcome));
    SELECT c INTO absent FROM unnest(wanted) c WHERE c <> ALL (columns) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'table % has no column %', relation, quote_ident(absent)
            USING ERRCODE = 'undefined_column', HINT = 'Upgrade Unleash to 4.17 or later before the import.';
    END IF;
    RETURN QUERY EXECUTE format('SELECT to_jsonb(r) FROM (SELECT %s FROM %s) r',
        (SELECT string_agg(quote_ident(c), ', ') FROM unnest(columns) c), relation);
END
$$;
REVOKE ALL ON FUNCTION pat_import_read(regnamespace, text, text, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_read(regnamespace, text, text, text, boolean) IS
'Rows of a table of the source with the required columns and those of the optional ones that it has; both as text of a name[]. Errors: undefined_table, undefined_column. Owner only.';

--
-- Rules for values that the tables here cannot hold
--

CREATE FUNCTION pat_import_time(value text) RETURNS timestamptz
    LANGUAGE sql STABLE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT greatest(timestamptz '0001-01-01 00:00:00+00', least(timestamptz '9999-12-31 23:59:59.999+00',
               regexp_replace($1, '(?<=[.][0-9]{6})[0-9]+', '')::timestamptz))
$$;
REVOKE ALL ON FUNCTION pat_import_time(text) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_time(text) IS
'The time, or the nearest that a pat_time can show in milliseconds: infinity becomes 9999-12-31T23:59:59.999Z, -infinity 0001-01-01T00:00:00.000Z. Fractions beyond microseconds are cut off. Owner only.';

CREATE FUNCTION pat_import_variant(value text, source_id bigint, attempt integer) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT left($1, 255 - length(suffix)) || suffix
    FROM (SELECT CASE $3 WHEN 0 THEN '' WHEN 1 THEN format(' (%s)', $2) ELSE format(' (%s.%s)', $2, $3) END) AS s (suffix)
$$;
REVOKE ALL ON FUNCTION pat_import_variant(text, bigint, integer) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_variant(text, bigint, integer) IS
'A name of at most 255 characters to try: the value itself, then with " (7)", " (7.2)", " (7.3)" and so on after it. Owner only.';

CREATE FUNCTION pat_import_time_changes(source_row jsonb, columns text[]) RETURNS text[]
    LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    @guard@
    RETURN (
        SELECT coalesce(array_agg(format('%s %s becomes %s', c, $1->>c,
                   @extschema@.pat_time_text(@extschema@.pat_import_time($1->>c))) ORDER BY n), '{}')
        FROM unnest($2) WITH ORDINALITY AS u (c, n)
        WHERE ($1->>c)::timestamptz <> @extschema@.pat_import_time($1->>c));
END
$$;
REVOKE ALL ON FUNCTION pat_import_time_changes(jsonb, text[]) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_time_changes(jsonb, text[]) IS
'For the report: which of these times pat_import_time changes. Owner only.';

--
-- What is known of the source
--

CREATE FUNCTION pat_import_known_id(source regnamespace, item text, source_id bigint) RETURNS integer
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    @guard@
    RETURN (
        SELECT i.new_id FROM @extschema@.pat_import i
        WHERE i.source = (SELECT n.nspname FROM pg_namespace n WHERE n.oid = $1) AND i.item = $2 AND i.source_id = $3);
END
$$;
REVOKE ALL ON FUNCTION pat_import_known_id(regnamespace, text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_known_id(regnamespace, text, bigint) IS
'The id here of what an earlier import, or an earlier step of this one, has brought over; else NULL. Owner only.';

CREATE FUNCTION pat_import_remember(source regnamespace, item text, source_row jsonb, new_id integer) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    @guard@
    INSERT INTO @extschema@.pat_import (source, item, source_id, source_created_at, new_id)
        SELECT n.nspname, $2, ($3->>'id')::bigint, ($3->>'created_at')::timestamptz, $4 FROM pg_namespace n WHERE n.oid = $1;
END
$$;
REVOKE ALL ON FUNCTION pat_import_remember(regnamespace, text, jsonb, integer) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_remember(regnamespace, text, jsonb, integer) IS 'Notes what a row of the source has become. Owner only.';

CREATE FUNCTION pat_import_ids(source regnamespace)
    RETURNS TABLE (item text, source_id bigint, source_created_at timestamptz)
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    @guard@
    RETURN QUERY
        SELECT t.item, (r->>'id')::bigint, (r->>'created_at')::timestamptz
        FROM (VALUES ('role', 'roles'), ('account', 'users'), ('token', 'personal_access_tokens')) AS t (item, name),
            LATERAL @extschema@.pat_import_read($1, t.name, '{id}', '{created_at}', false) r;
END
$$;
REVOKE ALL ON FUNCTION pat_import_ids(regnamespace) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_ids(regnamespace) IS 'The ids of all rows of the source. Owner only.';

CREATE FUNCTION pat_import_check_source(source regnamespace) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    other record;
BEGIN
    @guard@
    SELECT s.item, s.source_id INTO other
    FROM @extschema@.pat_import_ids($1) s
        JOIN @extschema@.pat_import i ON i.item = s.item AND i.source_id = s.source_id
        JOIN pg_namespace n ON n.nspname = i.source
    WHERE n.oid = $1 AND i.source_created_at IS DISTINCT FROM s.source_created_at
    ORDER BY s.item, s.source_id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'schema % holds another installation of Unleash than the one imported from it before', $1
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('The %s %s was created at another time than the one imported before.',
                                  other.item, other.source_id),
                  HINT = 'Restore each installation into a schema with a name of its own.';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION pat_import_check_source(regnamespace) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_check_source(regnamespace) IS
'Errors: object_not_in_prerequisite_state the schema holds another installation than at the import before. Owner only.';

CREATE FUNCTION pat_import_reserve_ids(source regnamespace) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    @guard@
    PERFORM setval(q.sequence, h.id)
    FROM (
        SELECT s.item, max(s.source_id) AS id FROM @extschema@.pat_import_ids($1) s
        WHERE s.source_id BETWEEN 1 AND 2000000000 GROUP BY s.item
    ) h JOIN (
        SELECT 'role' AS item, '@extschema@.pat_role_id_seq'::regclass AS sequence, last_value FROM @extschema@.pat_role_id_seq
        UNION ALL SELECT 'account', '@extschema@.pat_account_id_seq', last_value FROM @extschema@.pat_account_id_seq
        UNION ALL SELECT 'token', '@extschema@.pat_token_id_seq', last_value FROM @extschema@.pat_token_id_seq
    ) q ON q.item = h.item
    WHERE h.id >= q.last_value;
END
$$;
REVOKE ALL ON FUNCTION pat_import_reserve_ids(regnamespace) FROM PUBLIC;
COMMENT ON FUNCTION pat_import_reserve_ids(regnamespace) IS
'Moves the sequences past the ids of the source. Ids above 2000000000 are not kept, since they would leave none for new rows. Owner only.';
