-- When a JSON Web Token must have been issued: a username may become another account's, which must
-- not inherit the tokens of whoever bore it before.
BEGIN;
\set ON_ERROR_ROLLBACK on
SET LOCAL TIME ZONE 'UTC';

-- Signed by hand: pat_jwt_sign refuses some of these payloads.
CREATE FUNCTION pg_temp.segment(data bytea) RETURNS text LANGUAGE sql AS $$
    SELECT translate(encode(data, 'base64'), E'+/=\n', '-_')
$$;
CREATE FUNCTION pg_temp.padded(key bytea, pad integer) RETURNS bytea LANGUAGE sql AS $$
    SELECT string_agg(set_byte('\x00', 0, pad # CASE WHEN i < octet_length(key) THEN get_byte(key, i) ELSE 0 END), '' ORDER BY i)
    FROM generate_series(0, 63) AS i
$$;
CREATE FUNCTION pg_temp.jwt(payload text) RETURNS text LANGUAGE sql AS $$
    SELECT signed || '.' || pg_temp.segment(sha256(pg_temp.padded(key, 92) || sha256(pg_temp.padded(key, 54) || convert_to(signed, 'UTF8'))))
    FROM (SELECT pg_temp.segment('{"alg":"HS256"}') || '.' || pg_temp.segment(convert_to(payload, 'UTF8')), convert_to(repeat('k', 32), 'UTF8')) AS s (signed, key)
$$;
CREATE FUNCTION pg_temp.who(payload text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT username FROM pat_caller(pg_temp.jwt(payload)));
EXCEPTION WHEN SQLSTATE 'PT401' THEN
    RETURN 'PT401 ' || SQLERRM;
END
$$;
-- What a token of this subject and time of issue is at present.
CREATE FUNCTION pg_temp.state(subject text, issued numeric) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN pat_jwt_account(pg_temp.jwt(json_build_object('sub', subject, 'iat', issued, 'exp', 32472144000)::text), statement_timestamp()) IS NULL
                THEN 'refused' ELSE 'accepted' END
$$;
SELECT pat_add_jwt_key('k', 'HS256', repeat('k', 32));
SELECT extract(epoch FROM now()) AS now, extract(epoch FROM now() - interval '1 hour') AS before \gset

-- B1: the token of a deleted account is not that of the next one of its name
SELECT pat_create_account('regress-heir') AS first \gset
UPDATE pat_account SET created_at = now() - interval '1 day' WHERE id = :first;
SELECT pg_temp.state('regress-heir', :before) AS first;
SELECT pat_delete_account(:first);
SELECT pat_create_account('regress-heir', root_role => 1) AS second \gset
SELECT pg_temp.state('regress-heir', :before) AS old_token, pg_temp.state('regress-heir', :now) AS new_token;
SELECT pg_temp.who(format('{"sub":"regress-heir","iat":%s,"exp":32472144000}', :before));

-- B1: iat is required by username
SELECT pat_create_account('regress-bot') AS bot \gset
UPDATE pat_account SET created_at = '2024-01-01 00:00:00.5+00' WHERE id = :bot;
SELECT pg_temp.who('{"sub":"regress-bot","exp":32472144000}') AS no_iat, pg_temp.who('{"sub":"regress-bot","iat":1704067201,"exp":32472144000}') AS iat;
-- B1: iat is a number that a double holds
SELECT iat, pg_temp.who(format('{"sub":"regress-bot","iat":%s,"exp":32472144000}', iat))
FROM unnest(ARRAY['"1704067201"', 'null', 'true', 'false', '{}', '[]', '[1704067201]', '{"iat":1704067201}', '""', 'NaN', 'Infinity', '1e400', '-1e400',
                  '0x65920081', '+1704067201', '01704067201', '1704067201.']) AS iat;
SELECT iat, pg_temp.who(format('{"sub":"regress-bot","iat":%s,"exp":32472144000}', iat))
FROM unnest('{1704067201.25,1.704067201e9,17040672010E-1}'::text[]) AS iat;
-- B1: not twice, not in another claim, not of another name
SELECT claims, pg_temp.who(format('{"sub":"regress-bot",%s,"exp":32472144000}', claims))
FROM unnest(ARRAY['"iat":1,"iat":1704067201', '"iat":1704067201,"\u0069at":1', '"Iat":1704067201', '"x":{"iat":1704067201}', '"auth_time":1704067201', '"nbf":1704067201']) AS claims;

-- B1: iat is not before the account was created; a token of that very second may be cut to it
CREATE FUNCTION pg_temp.since(leeway text) RETURNS TABLE (iat numeric, state text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('pat.jwt_leeway', leeway, true);
    RETURN QUERY SELECT i, pg_temp.state('regress-bot', i)
    FROM unnest('{-1704067200,-1,-0.0,0,1704067139.99,1704067140,1704067199.99,1704067200,1704067200.5,1704067201}'::numeric[]) AS i;
END
$$;
SELECT a.iat, a.state AS leeway_0, b.state AS leeway_60
FROM pg_temp.since('0') WITH ORDINALITY AS a (iat, state, n) JOIN pg_temp.since('60') WITH ORDINALITY AS b (iat, state, n) USING (n) ORDER BY n;
-- B1: nor after the present, which a time in seconds may be rounded up from
CREATE FUNCTION pg_temp.at(leeway text) RETURNS TABLE (second numeric, accepted boolean) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('pat.jwt_leeway', leeway, true);
    RETURN QUERY SELECT s, pat_jwt_account(pg_temp.jwt('{"sub":"regress-bot","iat":1704067300,"exp":32472144000}'),
                                           timestamptz '1970-01-01 00:00+00' + s * interval '1 second') IS NOT NULL
    FROM unnest('{1704067239,1704067239.5,1704067299,1704067299.5,1704067300,1704067301}'::numeric[]) AS s;
END
$$;
SELECT a.second, a.accepted AS leeway_0, b.accepted AS leeway_60
FROM pg_temp.at('0') WITH ORDINALITY AS a (second, accepted, n) JOIN pg_temp.at('60') WITH ORDINALITY AS b (second, accepted, n) USING (n) ORDER BY n;
SET LOCAL pat.jwt_leeway = 0;
SELECT pg_temp.state('regress-bot', 1e300) AS far, pg_temp.state('regress-bot', :now::numeric * 1000) AS milliseconds, pg_temp.state('regress-bot', :now + 3600) AS in_an_hour;

-- B1: an id is never another account's, so by id iat is not required; where it is there, it must hold
SELECT pg_temp.who(format('{"sub":%s,"exp":32472144000}', :bot)) AS number, pg_temp.who(format('{"sub":"%s","exp":32472144000}', :bot)) AS text;
SELECT iat, pg_temp.who(format('{"sub":%s,"iat":%s,"exp":32472144000}', :bot, iat)) AS number, pg_temp.who(format('{"sub":"%s","iat":%s,"exp":32472144000}', :bot, iat)) AS text
FROM unnest(ARRAY['1704067199', '1704067200', '32472143000', '"1704067200"', 'null']) AS iat;
-- C7: a number names an id by its value, text as ids are written
SELECT n, pg_temp.who(format('{"sub":%s,"exp":32472144000}', spelled)) AS number, pg_temp.who(format('{"sub":"%s","exp":32472144000}', spelled)) AS text
FROM unnest(ARRAY[:bot || '.0', :bot || 'e0', :bot || '0e-1', '-' || :bot, :bot || '.5', '0', '-1337', '-1337.0', '1e99']) WITH ORDINALITY AS s (spelled, n) ORDER BY n;
-- B1: a text that is an id does not name that account once another, whose username it was, is deleted
SELECT pat_create_account(:'bot') AS namesake \gset
SELECT pg_temp.state(:'bot', 1704067200) AS both_alive;
SELECT pat_delete_account(:namesake);
SELECT pg_temp.state(:'bot', 1704067200) AS one_deleted, pg_temp.who(format('{"sub":"%s","exp":32472144000}', :bot)) AS no_iat, pg_temp.who(format('{"sub":%s,"exp":32472144000}', :bot)) AS number;
UPDATE pat_account SET username = 'regress-namesake' WHERE id = :namesake;
SELECT pg_temp.state(:'bot', 1704067200) AS renamed;
-- ... nor does the name of an account that exists no more name one that gets this id later
SELECT pat_create_account('2000000') IS NOT NULL AS made;
SELECT pg_temp.state('2000000', :now) AS by_name;
SELECT pat_delete_account(id) FROM pat_account WHERE username = '2000000';
INSERT INTO pat_account (id, username, created_at) VALUES (2000000, 'regress-later', now() - interval '2 days');
SELECT pg_temp.state('2000000', :now) AS by_id;

-- B1: the claim that names the account may have any name
SELECT pat_delete_jwt_key('k');
SELECT pat_add_jwt_key('k', 'HS256', repeat('k', 32), subject_claim => 'account');
SELECT pg_temp.who('{"account":"regress-bot","exp":32472144000}') AS no_iat, pg_temp.who('{"account":"regress-bot","iat":1704067199,"exp":32472144000}') AS before,
       pg_temp.who('{"account":"regress-bot","iat":1704067200,"exp":32472144000}') AS since;
SELECT pat_delete_jwt_key('k');
SELECT pat_add_jwt_key('k', 'HS256', repeat('k', 32), subject_claim => 'iat');
SELECT pg_temp.who('{"iat":"regress-bot","exp":32472144000}') AS name, pg_temp.who(format('{"iat":%s,"exp":32472144000}', :bot)) AS id;
SELECT pat_delete_jwt_key('k');
SELECT pat_add_jwt_key('k', 'HS256', repeat('k', 32));

-- B1: other ways in which a name comes to another account, each older than the token: the old token
-- is refused, one issued since is accepted
CREATE FUNCTION pg_temp.old_account(name text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    new_id integer := pat_create_account(name);
BEGIN
    UPDATE pat_account SET created_at = now() - interval '2 days' WHERE id = new_id;
    RETURN new_id;
END
$$;
CREATE FUNCTION pg_temp.token_of(name text, OUT old text, OUT new text) LANGUAGE sql AS $$
    SELECT pg_temp.state(name, extract(epoch FROM now() - interval '1 hour')), pg_temp.state(name, extract(epoch FROM now()))
$$;
-- an import, which keeps the time of creation of the source
SELECT pg_temp.old_account('regress-imported') AS gone \gset
SELECT pat_delete_account(:gone);
INSERT INTO pat_account (username, created_at) VALUES ('regress-imported', now() - interval '2 days') RETURNING username_since = now() AS noted;
SELECT * FROM pg_temp.token_of('regress-imported');
-- the name of a living account changes, and another takes it
SELECT pg_temp.old_account('regress-a') AS a, pg_temp.old_account('regress-b') AS b \gset
SELECT * FROM pg_temp.token_of('regress-a');
UPDATE pat_account SET username = 'regress-c' WHERE id = :a;
SELECT * FROM pg_temp.token_of('regress-a');
UPDATE pat_account SET username = 'regress-a' WHERE id = :b;
SELECT * FROM pg_temp.token_of('regress-a');
SELECT * FROM pg_temp.token_of('regress-b');
SELECT * FROM pg_temp.token_of('regress-c');
-- two exchange their names in one statement after another
UPDATE pat_account SET username = NULL WHERE id = :a;
UPDATE pat_account SET username = 'regress-c' WHERE id = :b;
UPDATE pat_account SET username = 'regress-a' WHERE id = :a;
SELECT * FROM pg_temp.token_of('regress-a');
-- a deleted account comes back after another bore its name
SELECT pg_temp.old_account('regress-back') AS back \gset
SELECT pat_delete_account(:back);
SELECT pg_temp.old_account('regress-back') AS between \gset
SELECT pat_delete_account(:between);
UPDATE pat_account SET deleted_at = NULL WHERE id = :back;
SELECT * FROM pg_temp.token_of('regress-back');
-- an account that is older than its row here, as an import brings, takes a name of which nothing tells any
-- more that another account bore it: that one has another name by now, or its row is gone
SELECT pg_temp.old_account('regress-left') AS left, pg_temp.old_account('regress-gone') AS gone \gset
SELECT * FROM pg_temp.token_of('regress-left');
UPDATE pat_account SET username = 'regress-left-2' WHERE id = :left;
DELETE FROM pat_account WHERE id = :gone;
INSERT INTO pat_account (username, created_at) VALUES ('regress-left', now() - interval '2 days'), ('regress-gone', now() - interval '1 day');
SELECT * FROM pg_temp.token_of('regress-left');
SELECT * FROM pg_temp.token_of('regress-gone');
-- a restored row says since when; whatever the order of rows, that stays
CREATE TABLE regress_pat_dump AS SELECT * FROM pat_account WHERE username IN ('regress-left', 'regress-back', 'regress-a', 'regress-imported');
SELECT count(*) AS unset FROM regress_pat_dump WHERE username_since IS NULL AND deleted_at IS NULL;
DELETE FROM pat_account WHERE id IN (SELECT id FROM regress_pat_dump);
INSERT INTO pat_account SELECT * FROM regress_pat_dump ORDER BY id DESC;
SELECT count(*) AS changed FROM (SELECT * FROM pat_account WHERE id IN (SELECT id FROM regress_pat_dump) EXCEPT SELECT * FROM regress_pat_dump) c;
-- what changes neither name nor life leaves the tokens
SELECT pg_temp.old_account('regress-same') AS same \gset
UPDATE pat_account SET name = 'Same', root_role = 2, username = username, deleted_at = deleted_at WHERE id = :same;
SELECT * FROM pg_temp.token_of('regress-same');
-- a time of creation still to come (an import may bring one), or one taken away, is nobody's
UPDATE pat_account SET created_at = now() + interval '1 day' WHERE id = :same;
SELECT * FROM pg_temp.token_of('regress-same');
ALTER TABLE pat_account ALTER created_at DROP NOT NULL;
UPDATE pat_account SET created_at = NULL WHERE id = :same;
SELECT * FROM pg_temp.token_of('regress-same');

-- B1: a key whose kid is taken again does not accept what the former one has signed
SELECT pg_temp.old_account('regress-kid') AS kid \gset
SELECT pat_delete_jwt_key('k');
SELECT pat_add_jwt_key('k', 'HS256', repeat('K', 32));
SELECT * FROM pg_temp.token_of('regress-kid');

-- B1: pat_jwt_verify, as pgjwt's verify, compares iat with no clock and no account
SELECT iat, valid FROM unnest('{0,1704067199,32472143000,-1}'::text[]) AS iat, LATERAL pat_jwt_verify(pg_temp.jwt(format('{"sub":"x","iat":%s}', iat)), repeat('k', 32));
ROLLBACK;
