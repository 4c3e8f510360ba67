-- The list in SPI (bench_spi.c) and in PL/pgSQL, each printing the bytes that
-- pat_list_for_service_account prints. psql variable: module, the path of bench_spi.

CREATE FUNCTION bench_list_spi(id text, caller_token text) RETURNS json
    LANGUAGE c VOLATILE AS :'module', 'bench_list_spi';

CREATE FUNCTION bench_list_plpgsql(id text, caller_token text) RETURNS json
    LANGUAGE plpgsql VOLATILE AS
$$
DECLARE
    caller record;
    found_id integer;
BEGIN
    SELECT t.id, t.seen_at INTO caller
        FROM pat_token t JOIN pat_account a ON a.id = t.account_id
        WHERE t.secret_hash = sha256(convert_to($2, 'UTF8')) AND a.deleted_at IS NULL
          AND (t.expires_at IS NULL OR t.expires_at > statement_timestamp())
          AND EXISTS (SELECT FROM pat_role_permission p WHERE p.role_id = a.root_role AND p.permission = 'ADMIN');
    IF NOT FOUND THEN
        RAISE EXCEPTION 'caller refused' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF caller.seen_at IS NULL OR caller.seen_at < statement_timestamp() - interval '1 min' THEN
        UPDATE pat_token t SET seen_at = statement_timestamp() WHERE t.id = caller.id;
    END IF;
    SELECT a.id INTO found_id FROM pat_account a
        WHERE a.id = $1::integer AND a.is_service AND a.deleted_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such service account' USING ERRCODE = 'no_data_found';
    END IF;
    RETURN '{"pats":[' || coalesce((
        SELECT string_agg('{"id":' || t.id || ',"description":' || to_json(t.description)
            || ',"expiresAt":' || coalesce(to_char(t.expires_at AT TIME ZONE 'UTC', '"\""YYYY-MM-DD"T"HH24:MI:SS.MS"Z\""'), 'null')
            || ',"userId":' || t.account_id
            || ',"createdAt":' || to_char(t.created_at AT TIME ZONE 'UTC', '"\""YYYY-MM-DD"T"HH24:MI:SS.MS"Z\""')
            || ',"seenAt":' || coalesce(to_char(t.seen_at AT TIME ZONE 'UTC', '"\""YYYY-MM-DD"T"HH24:MI:SS.MS"Z\""'), 'null')
            || '}', ',' ORDER BY t.id)
        FROM pat_token t WHERE t.account_id = found_id), '') || ']}';
END
$$;

-- All three agree on every account that is timed, or nothing is timed.
CREATE FUNCTION bench_check(token text) RETURNS integer LANGUAGE plpgsql AS
$$
DECLARE
    checked integer := 0;
    account integer;
    ours text;
BEGIN
    FOR account IN SELECT id FROM bench_account LOOP
        ours := pat_list_for_service_account(account::text, token)::text;
        IF ours <> bench_list_spi(account::text, token)::text
           OR ours <> bench_list_plpgsql(account::text, token)::text THEN
            RAISE EXCEPTION 'the contenders do not agree on account %', account;
        END IF;
        checked := checked + 1;
    END LOOP;
    RETURN checked;
END
$$;

-- Microseconds per call of one contender, over random accounts of one size.
CREATE FUNCTION bench_microseconds(contender text, tokens integer, calls integer, token text)
    RETURNS double precision LANGUAGE plpgsql AS
$$
DECLARE
    ids text[];
    started timestamptz;
    done bigint;
BEGIN
    SELECT array_agg(of_size.ids[1 + floor(random() * cardinality(of_size.ids))::integer]) INTO ids
        FROM (SELECT array_agg(a.id::text) AS ids FROM bench_account a WHERE a.tokens = $2) of_size,
             generate_series(1, $3);
    started := clock_timestamp();
    EXECUTE format('SELECT count(%I(id, $2)) FROM unnest($1) AS id', contender) INTO done USING ids, $4;
    RETURN extract(epoch FROM clock_timestamp() - started) * 1e6 / done;
END
$$;
