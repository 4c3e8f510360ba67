-- pgjwt's API for those who mint in SQL: its own examples byte for byte, and what it lets through.
BEGIN;
\set ON_ERROR_ROLLBACK on
SET LOCAL TIME ZONE 'UTC';

-- the examples of pgjwt's README and tests
SELECT pat_jwt_sign('{"sub":"1234567890","name":"John Doe","admin":true}', 'secret') = 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.'
    'eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiYWRtaW4iOnRydWV9.TJVA95OrM7E2cBab30RMHrHDcEfxjoYZgeFONFh7HgQ' AS as_pgjwt;
SELECT pat_jwt_sign('{"sub":"1234567890","name":"John Doe","admin":true}', 'secret', 'HS384') = 'eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCJ9.'
    'eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiYWRtaW4iOnRydWV9.DtVnCyiYCsCbg8gUP-579IC2GJ7P3CtFw6nfTTPw-0lZUzqgWAo9QIQElyxOpoRm' AS as_pgjwt;
SELECT pat_jwt_sign('{"sub":"1234567890","name":"John Doe","admin":true}', 'secret', 'HS512') = 'eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.'
    'eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiYWRtaW4iOnRydWV9.'
    'YI0rUGDq5XdRw8vW2sDLRNFMN8Waol03iSFH8I4iLzuYK7FKHaQYWzPt0BJFGrAmKJ6SjY0mJIMZqNQJFVpkuw' AS as_pgjwt;
SELECT pat_jwt_sign('{"sub":"1234567890","name":"John Doe","admin":true}', 'secret', 'bogus');
SELECT v.* FROM unnest('{HS256,HS384,HS512}'::text[]) AS a (algorithm),
    pat_jwt_verify(pat_jwt_sign('{"sub":"1234567890","name":"John Doe","admin":true}', 'secret', algorithm), 'secret', algorithm) AS v;
SELECT v.* FROM unnest('{HS256,HS384,HS512}'::text[]) AS a (algorithm),
    pat_jwt_verify(pat_jwt_sign('{"sub":"1234567890","name":"John Doe","admin":true}', 'secret', algorithm), 'badsecret', algorithm) AS v;
SELECT format('%s %s', nbf, exp) AS nbf_exp, valid
FROM (VALUES (1, NULL), (-1, NULL), (NULL, -1), (NULL, 1), (-3, -1), (-3, 3), (1, 3)) AS v (nbf, exp),
    LATERAL (SELECT extract(epoch FROM statement_timestamp())) AS n (now),
    LATERAL pat_jwt_verify(pat_jwt_sign(json_strip_nulls(json_build_object('nbf', now + nbf * 3600, 'exp', now + exp * 3600)), 'secret', 'HS512'), 'secret', 'HS512');

-- RFC 7515, A.1: HS256 with a key of bytes, so by hand; RFC 2104's rule for long and for empty keys
CREATE FUNCTION pg_temp.segment(data bytea) RETURNS text LANGUAGE sql AS $$
    SELECT translate(encode(data, 'base64'), E'+/=\n', '-_')
$$;
CREATE FUNCTION pg_temp.padded(key bytea, pad integer) RETURNS bytea LANGUAGE sql AS $$
    SELECT string_agg(set_byte('\x00', 0, pad # CASE WHEN i < octet_length(key) THEN get_byte(key, i) ELSE 0 END), '' ORDER BY i)
    FROM generate_series(0, 63) AS i
$$;
CREATE FUNCTION pg_temp.sign(signed text, key text) RETURNS text LANGUAGE sql AS $$
    SELECT signed || '.' || pg_temp.segment(sha256(pg_temp.padded(k, 92) || sha256(pg_temp.padded(k, 54) || convert_to(signed, 'UTF8'))))
    FROM (SELECT CASE WHEN octet_length(key) > 64 THEN sha256(convert_to(key, 'UTF8')) ELSE convert_to(key, 'UTF8') END) AS s (k)
$$;
CREATE FUNCTION pg_temp.jwt(header text, payload text, key text DEFAULT 'secret') RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.sign(pg_temp.segment(convert_to(header, 'UTF8')) || '.' || pg_temp.segment(convert_to(payload, 'UTF8')), key)
$$;
SELECT length(key), pat_jwt_sign('{"a":1}', key) = pg_temp.jwt('{"alg":"HS256","typ":"JWT"}', '{"a":1}', key) AS same, valid
FROM (SELECT repeat('k', n) FROM unnest('{0,1,63,64,65,1000,100000}'::integer[]) AS n) AS k (key),
    LATERAL pat_jwt_verify(pat_jwt_sign('{"a":1}', key), key);
SELECT pat_jwt_sign('{"a":1}', 'schlüssel-☃') = pg_temp.jwt('{"alg":"HS256","typ":"JWT"}', '{"a":1}', 'schlüssel-☃') AS same;

-- the payload is signed as it is written, and read as it was signed
SELECT payload, valid, payload::text = p AS same
FROM unnest(ARRAY['{}', '  { "b" : 1.50 ,"a":null}  ', '{"ü":"☃","v":"\u2603"}', '{"a":"\\\"/"}', E'{"a":\n1}', '{"exp":1e300,"nbf":-0.0}']) AS p,
    LATERAL pat_jwt_verify(pat_jwt_sign(p::json, 'secret'), 'secret');
-- all lengths of the last group of base64url, all bytes
SELECT count(*), count(*) FILTER (WHERE valid AND payload ->> 'a' = a) AS valid
FROM generate_series(0, 300) AS n, LATERAL (SELECT string_agg(chr(i), '') FROM generate_series(32, 32 + n) AS i WHERE i NOT BETWEEN 127 AND 160) AS s (a),
    LATERAL pat_jwt_verify(pat_jwt_sign(json_build_object('a', a), 'secret'), 'secret');
-- C10: what pat_jwt_sign makes pat_jwt_verify takes, and what that cannot take is not signed
CREATE FUNCTION pg_temp.outcome(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
    detail text;
BEGIN
    EXECUTE 'SELECT ' || call INTO result;
    RETURN coalesce(result, 'NULL');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' ', SQLSTATE, SQLERRM, nullif(detail, ''));
END
$$;
CREATE FUNCTION pg_temp.round_trip(payload text, algorithm text DEFAULT 'HS256') RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.outcome(format('valid FROM pat_jwt_verify(pat_jwt_sign(%L, %L, %L), %2$L, %3$L)', payload, 'secret', algorithm))
$$;
SELECT name, pg_temp.round_trip(payload)
FROM (VALUES ('array', '[1]'), ('string', '"x"'), ('number', '1'), ('null', 'null'), ('true', 'true'), ('array of the object', '[{}]'), ('empty object', '{}'),
             ('a name twice', '{"a":1,"a":2}'), ('a name twice, once escaped', '{"a":1,"\u0061":2}'), ('a name twice in what is nested', '{"a":{"b":1,"b":2}}'),
             ('32 deep', '{"a":' || repeat('[', 31) || repeat(']', 31) || '}'), ('33 deep', '{"a":' || repeat('[', 32) || repeat(']', 32) || '}'),
             ('zero character', '{"a":"\u0000"}'), ('half a pair', '{"a":"\ud83d"}'), ('a pair', '{"a":"\ud83d\ude00"}'),
             ('exp a string', '{"exp":"32472144000"}'), ('exp null', '{"exp":null}'), ('exp too large', '{"exp":1e400}'), ('exp large', '{"exp":1e300}'),
             ('nbf a string', '{"nbf":"0"}'), ('nbf an object', '{"nbf":{}}'), ('nbf', '{"nbf":0}'), ('iat a string', '{"iat":"0"}'), ('iat an array', '{"iat":[0]}'), ('iat', '{"iat":0}'),
             ('integer beyond 64 bits', '{"a":123456789012345678901234567890}')) AS v (name, payload);
SELECT n, pg_temp.round_trip('{' || string_agg(format('"%s":0', i), ',') || '}') FROM unnest('{128,129}'::integer[]) AS n, generate_series(1, n) AS i GROUP BY n ORDER BY n;
-- up to 8192 bytes, whatever the algorithm
SELECT algorithm, length, length(pat_jwt_sign(json_build_object('a', repeat('x', length)), 'secret', algorithm)) AS token,
       pg_temp.round_trip(json_build_object('a', repeat('x', length))::text, algorithm) AS longest,
       pg_temp.round_trip(json_build_object('a', repeat('x', length + 1))::text, algorithm) AS longer
FROM (VALUES ('HS256', 6073), ('HS384', 6057), ('HS512', 6041)) AS v (algorithm, length);
SELECT pg_temp.round_trip(json_build_object('a', repeat('x', 9000))::text) AS "9 kB", pg_temp.round_trip(json_build_object('a', repeat('x', 10000000))::text) AS "10 MB";
-- C10: errors of arguments are the documented ones; NULL is NULL, an empty secret a secret
SELECT algorithm, pg_temp.outcome(format('valid FROM pat_jwt_verify(pat_jwt_sign(''{}'', ''s''), ''s'', %L)', algorithm)) AS verify,
       pg_temp.outcome(format('valid FROM pat_jwt_verify('''', ''s'', %L)', algorithm)) AS verify_nothing,
       pg_temp.outcome(format('pat_jwt_sign(''{}'', ''s'', %L) IS NOT NULL', algorithm)) AS sign
FROM unnest('{HS256,HS384,HS512,hs256,"HS256 ",none,RS256,ES256,PS256,EdDSA,"",bogus,NULL}'::text[]) AS algorithm;
SELECT pg_temp.outcome('valid FROM pat_jwt_verify(pat_jwt_sign(''{}'', ''''), '''')') AS empty_secret, pg_temp.outcome('valid FROM pat_jwt_verify(pat_jwt_sign(''{}'', ''''), ''s'')') AS other,
       pg_temp.outcome('valid FROM pat_jwt_verify(NULL, ''s'')') AS no_token, pg_temp.outcome('valid FROM pat_jwt_verify(''x'', NULL)') AS no_secret;
-- C10: the other functions raise each error that the reference names, and none else
SELECT call, pg_temp.outcome(call)
FROM unnest(ARRAY[
    $$pat_add_jwt_key(NULL, 'HS256', repeat('k', 32))$$, $$pat_add_jwt_key('k', NULL, repeat('k', 32))$$, $$pat_add_jwt_key('k', 'none', repeat('k', 64))$$,
    $$pat_add_jwt_key('k', 'HS256', NULL::text)$$, $$pat_add_jwt_key('k', 'HS256', NULL::bytea)$$, $$pat_add_jwt_key('k', 'HS256', '')$$,
    $$pat_add_jwt_key('k', 'HS256', repeat('k', 16385))$$, $$pat_add_jwt_key('k', 'RS256', repeat('k', 64))$$, $$pat_add_jwt_key('k', 'HS256', repeat('k', 32), subject_claim => '')$$,
    $$pat_retire_jwt_key(NULL)$$, $$pat_retire_jwt_key('')$$, $$pat_delete_jwt_key(NULL)$$, $$pat_delete_jwt_key('none')$$,
    $$pat_jwt_account(NULL, now())$$, $$pat_jwt_account('x', NULL)$$, $$pat_jwt_account('', now())$$, $$pat_jwt_account(repeat('x', 10000000), now())$$,
    $$pat_jwt_account('a.b.c', 'infinity')$$, $$pat_jwt_account('a.b.c', '-infinity')$$, $$pat_jwt_key_problem(NULL, 'x')$$, $$pat_jwt_key_problem('HS256', NULL)$$]) AS call;

-- what pgjwt takes and this does not: claims that cannot be read, another header, more segments
SELECT pat_jwt_verify('eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJuYmYiOiJuby1kb3VibGUifQ.'
    '6TDHvMKq3Z67KaexRMuhoQ20sYSj9jConcUCO3g2bGyHXACq-FPkJIRAsy1xX90fWKieIAW_tz-4bbFLwwOTPg', 'secret', 'HS512') AS nbf_no_number;
SELECT pat_jwt_verify('eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJleHAiOiI3NXoifQ.'
    'nfXYiSNNdYNsLrQp5Zry9p0xDCh_CkMSY1dOdqDCLc1YrDxrItwEmZIlTi3BBO8_9OCameSKMyGysYGDCNoaRg', 'secret', 'HS512') AS exp_no_number;
SELECT p, valid
FROM unnest(ARRAY['{"a":1}', '{"exp":"32472144000"}', '{"exp":null}', '{"exp":true}', '{"exp":{}}', '{"exp":[]}', '{"exp":1e400}', '{"exp":-1}', '{"exp":1}', '{"exp":32472144000}',
                  '{"exp":32472144000.5}', '{"nbf":"1"}', '{"nbf":1}', '{"nbf":1.5}', '{"nbf":32472144000}', '{"nbf":1e400}', '{"iat":"1"}', '{"iat":32472144000}',
                  '{"exp":32472144000,"exp":32472144000}', '{"a":1,"a":2}', '{"a":{"b":1,"b":2}}']) AS p,
    LATERAL pat_jwt_verify(pg_temp.jwt('{"alg":"HS256","typ":"JWT"}', p), 'secret');
SELECT h, header, valid
FROM unnest(ARRAY['{"alg":"HS256"}', '{"typ":"x","alg":"HS256","kid":"any"}', '{"alg":"none"}', '{"alg":"hs256"}', '{"alg":"HS512"}', '{"alg":["HS256"]}', '{}', '[]', '"HS256"', '{"alg":"HS256","crit":[]}',
                  '{"alg":"HS256","alg":"HS256"}', '{"alg":"HS256"']) AS h,
    LATERAL pat_jwt_verify(pg_temp.jwt(h, '{"a":1}'), 'secret');
-- without an exception, whatever it is
SELECT pg_temp.jwt('{"alg":"HS256","typ":"JWT"}', '{"a":1}') AS good \gset
SELECT name, header, payload, valid
FROM (VALUES ('control', :'good'), ('empty', ''), ('dots', '..'), ('no token', 'secret'), ('two segments', regexp_replace(:'good', '\.[^.]*$', '')),
             ('no signature', regexp_replace(:'good', '[^.]*$', '')), ('four segments', :'good' || '.x'), ('trailing dot', :'good' || '.'),
             ('padded', :'good' || '='), ('line feed', :'good' || E'\n'), ('blank', ' ' || :'good'), ('Bearer', 'Bearer ' || :'good'), ('no base64', replace(:'good', '.ey', '.é')),
             ('of 1 mod 4', regexp_replace(:'good', '\.[^.]*$', '.A')), ('signature cut', left(:'good', -1)), ('signature longer', :'good' || 'AAAA'),
             ('altered', regexp_replace(:'good', '.$', 'A')), ('payload no JSON', pg_temp.jwt('{"alg":"HS256"}', 'x')), ('payload empty', pg_temp.jwt('{"alg":"HS256"}', '')),
             ('header no JSON', pg_temp.jwt('x', '{"a":1}')), ('zero byte', pg_temp.jwt('{"alg":"HS256"}', '{"a":"\u0000"}')),
             ('not UTF-8', pg_temp.sign(pg_temp.segment('{"alg":"HS256"}') || '.' || pg_temp.segment('\x7b2261223a22ff227d'), 'secret')),
             ('deep', pg_temp.jwt('{"alg":"HS256"}', '{"a":' || repeat('[', 2000) || repeat(']', 2000) || '}')),
             ('8193 bytes', pg_temp.jwt('{"alg":"HS256","typ":"JWT"}', '{"a":"' || repeat('x', 6076) || '"}')),
             ('1 MB', pg_temp.jwt('{"alg":"HS256"}', '{"a":"' || repeat('x', 786000) || '"}'))) AS v (name, token),
    LATERAL pat_jwt_verify(token, 'secret');
SELECT a AS algorithm, header IS NOT NULL AS header, payload, valid
FROM unnest('{HS256,HS384,HS512}'::text[]) AS a, LATERAL pat_jwt_verify(:'good', 'secret', a);
-- the public key's text is no secret that a token of RS256 is signed with
SELECT valid FROM pat_jwt_verify(pg_temp.jwt('{"alg":"RS256"}', '{"a":1}', 'the text of a public key'), 'the text of a public key', 'RS256');
SELECT valid FROM pat_jwt_verify(pg_temp.jwt('{"alg":"RS256"}', '{"a":1}', 'the text of a public key'), 'the text of a public key');
-- NULL in, nothing out
SELECT pat_jwt_sign(NULL, 'secret'), pat_jwt_sign('{}', NULL), pat_jwt_sign('{}', 'secret', NULL);
SELECT count(*) FROM pat_jwt_verify(NULL, 'secret');

-- with any one bit altered it is not valid
CREATE FUNCTION pg_temp.flipped(segment text, n integer) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.segment(set_bit(b, n, 1 - get_bit(b, n))) FROM (SELECT decode(translate(segment, '-_', '+/') || repeat('=', -length(segment) & 3), 'base64')) AS s (b)
$$;
SELECT which, count(*) AS bits, count(*) FILTER (WHERE valid) AS valid
FROM generate_series(1, 3) AS which, LATERAL (SELECT split_part(:'good', '.', which)) AS s (segment), generate_series(0, length(segment) * 6 / 8 * 8 - 1) AS n,
    LATERAL pat_jwt_verify(concat_ws('.', CASE which WHEN 1 THEN pg_temp.flipped(segment, n) ELSE split_part(:'good', '.', 1) END,
                                          CASE which WHEN 2 THEN pg_temp.flipped(segment, n) ELSE split_part(:'good', '.', 2) END,
                                          CASE which WHEN 3 THEN pg_temp.flipped(segment, n) ELSE split_part(:'good', '.', 3) END), 'secret')
GROUP BY which ORDER BY which;

-- pgjwt's arguments and columns; honest about the clock
SELECT p.oid::regprocedure, pg_get_function_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result, p.provolatile
FROM pg_proc p WHERE p.proname IN ('pat_jwt_sign', 'pat_jwt_verify') ORDER BY p.proname;

-- what is minted in SQL calls the API, with the secret as a key
SELECT pat_create_account('regress-minter', root_role => 1) AS minter \gset
SELECT pat_add_jwt_key('minted', algorithm, repeat('s', 64)) FROM unnest('{HS512}'::text[]) AS algorithm;
SELECT username, permissions, expires_at
FROM pat_caller('Bearer ' || pat_jwt_sign(json_build_object('sub', 'regress-minter', 'iat', extract(epoch FROM now()), 'exp', 32472144000), repeat('s', 64), 'HS512'));
SELECT pat_list_for_service_account(:minter, pat_jwt_sign(json_build_object('sub', :minter, 'exp', 32472144000), repeat('s', 64), 'HS512'));
SELECT pat_list_for_service_account(:minter, pat_jwt_sign(json_build_object('sub', :minter, 'exp', 32472144000), repeat('s', 64)));
ROLLBACK;
