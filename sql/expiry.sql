-- A credential that runs out while a statement goes on: from that moment on it changes nothing. The
-- lists and pat_caller go by the time at which the statement began, as they go by its snapshot.
BEGIN;
SELECT pat_create_account('regress-chief', root_role => 1, is_service => false) AS chief \gset
SELECT pat_create_account('regress-bot') AS bot \gset
SELECT pat_create_token(:chief, 'lasting', secret => 'user:regress-lasting') IS NOT NULL AS ok;
SELECT pat_add_jwt_key('regress', 'HS256', repeat('k', 32));

CREATE FUNCTION pg_temp.outcome(call text, credential text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'SELECT ' || call USING credential;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;
-- What begins in a statement ends after the statement began, and it does not go on before that.
CREATE FUNCTION pg_temp.run_out(chief integer, OUT token text, OUT jwt text) LANGUAGE plpgsql AS $$
DECLARE
    ends timestamptz := clock_timestamp() + interval '1 millisecond';
BEGIN
    token := (pat_create_token(chief, 'short', ends)).secret;
    jwt := pat_jwt_sign(json_build_object('sub', 'regress-chief', 'iat', extract(epoch FROM now()), 'exp', extract(epoch FROM ends)), repeat('k', 32));
    WHILE clock_timestamp() < ends + interval '1 millisecond' LOOP
    END LOOP;
END
$$;
CREATE TEMP TABLE outcomes AS
SELECT n, pg_temp.outcome(call, token) AS token, pg_temp.outcome(call, jwt) AS jwt,
    pg_temp.outcome(call, 'user:regress-lasting') AS lasting, regexp_replace(call, '\(.*', '') AS call
FROM pg_temp.run_out(:chief),
    (VALUES (1, format('pat_list_for_service_account(%s, $1)', :bot)),
            (2, 'pat_list($1)'),
            (3, 'pat_caller($1)'),
            (4, format('pat_create_for_service_account(%L, ''{"description":"x","expiresAt":"2999-01-01T00:00:00Z"}'', $1)', :bot)),
            (5, format('pat_delete_for_service_account(%L, ''0'', $1)', :bot)),
            (6, 'pat_create_service_account(''{"username":"regress-x","name":"","rootRole":1}'', $1)'),
            (7, format('pat_update_service_account(%L, ''{"rootRole":1}'', $1)', :bot)),
            (8, 'pat_delete_service_account(''0'', $1)'),
            (9, 'pat_list_service_accounts($1)'),
            (10, 'pat_create(''{"description":"x","expiresAt":"2999-01-01T00:00:00Z"}'', $1)'),
            (11, 'pat_delete(''0'', $1)')) AS t (n, call);
SELECT call, token, jwt, lasting FROM outcomes ORDER BY n;
ROLLBACK;
