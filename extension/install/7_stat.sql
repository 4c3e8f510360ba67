
--
-- Counts of calls and refusals
--
-- VOLATILE and PARALLEL RESTRICTED: without preloading they are the session's
-- own, which a parallel worker does not have.
--

CREATE FUNCTION pat_stat_counters(OUT scope text, OUT calls bigint, OUT jwt_calls bigint,
        OUT no_token bigint, OUT malformed_token bigint, OUT unknown_token bigint,
        OUT expired_token bigint, OUT deleted_account bigint, OUT unusable_jwt bigint,
        OUT bad_data bigint, OUT forbidden bigint, OUT not_found bigint, OUT conflict bigint,
        OUT too_large bigint,
        OUT seen_written bigint, OUT seen_skipped bigint, OUT seen_failed bigint,
        OUT stats_reset timestamptz)
    LANGUAGE C VOLATILE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'pat_stat_counters';
REVOKE ALL ON FUNCTION pat_stat_counters() FROM PUBLIC;
COMMENT ON FUNCTION pat_stat_counters() IS 'The row of the view pat_stat.';

CREATE VIEW pat_stat AS SELECT * FROM pat_stat_counters();

COMMENT ON VIEW pat_stat IS 'One row: what callers asked for and how often they were refused, by reason, since stats_reset.';
COMMENT ON COLUMN pat_stat.scope IS 'Whose calls are counted: of all sessions of this "database"; of this and other "databases" beyond the 64th; or, where the library is not in shared_preload_libraries, of this "session" alone.';
COMMENT ON COLUMN pat_stat.calls IS 'Calls of functions that take a caller_token.';
COMMENT ON COLUMN pat_stat.jwt_calls IS 'Of these, calls with a JSON Web Token.';
COMMENT ON COLUMN pat_stat.no_token IS '401: null or empty.';
COMMENT ON COLUMN pat_stat.malformed_token IS '401: longer than 8192 bytes, or of the extension''s own shape with a wrong checksum: mistyped or cut off.';
COMMENT ON COLUMN pat_stat.unknown_token IS '401: no such token, or no longer.';
COMMENT ON COLUMN pat_stat.expired_token IS '401: its time is over.';
COMMENT ON COLUMN pat_stat.deleted_account IS '401: its account was deleted.';
COMMENT ON COLUMN pat_stat.unusable_jwt IS '401: a JSON Web Token that does not hold; pat_jwt_account tells more of a single one.';
COMMENT ON COLUMN pat_stat.bad_data IS '400.';
COMMENT ON COLUMN pat_stat.forbidden IS '403, of any name.';
COMMENT ON COLUMN pat_stat.not_found IS '404.';
COMMENT ON COLUMN pat_stat.conflict IS '409.';
COMMENT ON COLUMN pat_stat.too_large IS '413.';
COMMENT ON COLUMN pat_stat.seen_written IS 'Uses of a token that wrote its seen_at.';
COMMENT ON COLUMN pat_stat.seen_skipped IS 'Uses that should have, but in a transaction that may not write, or while another session held the row or a lock on the table.';
COMMENT ON COLUMN pat_stat.seen_failed IS 'Uses that tried and could not; the server''s log says why.';
COMMENT ON COLUMN pat_stat.stats_reset IS 'Since when it is counted: start of the server, pat_stat_reset, or the start of counting in the session.';

CREATE FUNCTION pat_stat_reset() RETURNS void
    LANGUAGE C VOLATILE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'pat_stat_reset';
REVOKE ALL ON FUNCTION pat_stat_reset() FROM PUBLIC;
COMMENT ON FUNCTION pat_stat_reset() IS 'Sets the counts of pat_stat to zero and stats_reset to now.';

--
-- What default privileges of the database have given to others
--
-- ALTER DEFAULT PRIVILEGES, which some services use to open every new table and function, would open
-- hashes and keys too.
--

DO $$
DECLARE
    revocation text;
BEGIN
    FOR revocation IN
        WITH member AS (
            SELECT d.classid, d.objid
            FROM pg_catalog.pg_depend d
                JOIN pg_catalog.pg_extension e ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = e.oid
            WHERE e.extname = 'pat' AND d.deptype = 'e'
        ), granted AS (
            SELECT 'TABLE ' || c.oid::pg_catalog.regclass::text AS object, a.grantee
            FROM member m
                JOIN pg_catalog.pg_class c ON m.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND c.oid = m.objid,
                LATERAL pg_catalog.aclexplode(c.relacl) a
            WHERE a.grantee <> c.relowner
            UNION
            SELECT 'FUNCTION ' || p.oid::pg_catalog.regprocedure::text, a.grantee
            FROM member m
                JOIN pg_catalog.pg_proc p ON m.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND p.oid = m.objid,
                LATERAL pg_catalog.aclexplode(p.proacl) a
            WHERE a.grantee <> p.proowner
        )
        SELECT 'REVOKE ALL ON ' || g.object || ' FROM '
            || CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE g.grantee::pg_catalog.regrole::text END
        FROM granted g
    LOOP
        EXECUTE revocation;
    END LOOP;
END
$$;

--
-- Last of all: what the encoding of the database does to the API
--

DO $$
BEGIN
    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE WARNING 'the encoding of this database is %, not UTF8', current_setting('server_encoding')
            USING DETAIL = CASE current_setting('server_encoding')
                      WHEN 'SQL_ASCII' THEN 'Request bodies with an escape of a character beyond ASCII are refused, and whatever bytes a client sends are kept, as if they were UTF-8.'
                      ELSE 'Names and descriptions with characters that this encoding lacks are refused.' END,
                  HINT = 'CREATE DATABASE ... ENCODING ''UTF8'' TEMPLATE template0 makes one that takes all text.';
    END IF;
END
$$;
