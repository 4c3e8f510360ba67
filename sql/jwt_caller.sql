-- JSON Web Tokens that are accepted: the examples of the RFCs, and each algorithm with each rule of
-- its key. What is refused stands in jwt_refused.
BEGIN;
\set ON_ERROR_ROLLBACK on
SET LOCAL TIME ZONE 'UTC';

-- RFC 7515, A.1 (HS256; also RFC 7519, 3.1), A.2 (RS256), A.3 (ES256), with their own keys
SELECT pat_create_account('joe') AS joe \gset
SELECT pat_add_jwt_key('A.1', 'HS256', '\x0323354b2b0fa5bc837e0665777ba68f5ab328e6f054c928a90f84b2d2502ebf'
    'd3fb5a92d20647ef968ab4c377623d223d2e2172052e4f08c0cd9af567d080a3'::bytea, subject_claim => 'iss');
SELECT pat_add_jwt_key('A.2', 'RS256', '-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAofgWCuLjybRlzo0tZWJj
NiuSfb4p4fAkd/wWJcyQoTbji9k0l8W26mPddxHmfHQp+Vaw+4qPCJrcS2mJPMEz
P1Pt0Bm4d4QlL+yRT+SFd2lZS+pCgNMsD1W/YpRPEwOWvG6b32690r2jZ47soMZo
9wGzjb/7OMg0LOL+bSf63kpaSHSXndS5z5rexMdbBYUsLA9e+KXBdQOS+UTo7WTB
EMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6/I5IhlJH7aGhyxX
FvUK+DWNmoudF8NAco9/h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXp
oQIDAQAB
-----END PUBLIC KEY-----', subject_claim => 'iss');
SELECT pat_add_jwt_key('A.3', 'ES256', '-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7
6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==
-----END PUBLIC KEY-----', subject_claim => 'iss');
CREATE TEMP TABLE example (name text, header text, payload text, signature text);
INSERT INTO example VALUES
    ('A.1', 'eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9',
     'eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ',
     'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'),
    ('A.2', 'eyJhbGciOiJSUzI1NiJ9',
     'eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ',
     'cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujG'
     'bds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K'
     '0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6'
     'LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw'),
    ('A.3', 'eyJhbGciOiJFUzI1NiJ9',
     'eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ',
     'DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q');

-- 'exp' is 2011-03-22 18:43 UTC
SELECT name, at, pat_jwt_account(concat_ws('.', header, payload, signature), at) = :joe AS joe
FROM example, unnest('{1970-01-01 00:00+00, 2011-03-22 18:42:59.999999+00, 2011-03-22 18:43:00+00, 2026-01-01 00:00+00, infinity}'::timestamptz[]) AS at
ORDER BY name, at;

-- with any one bit altered, in whatever segment, it speaks for nobody
CREATE FUNCTION pg_temp.segment(data bytea) RETURNS text LANGUAGE sql AS $$
    SELECT translate(encode(data, 'base64'), E'+/=\n', '-_')
$$;
CREATE FUNCTION pg_temp.bytes(segment text) RETURNS bytea LANGUAGE sql AS $$
    SELECT decode(translate(segment, '-_', '+/') || repeat('=', -length(segment) & 3), 'base64')
$$;
CREATE FUNCTION pg_temp.flip(segment text, n integer) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.segment(set_bit(pg_temp.bytes(segment), n, 1 - get_bit(pg_temp.bytes(segment), n)))
$$;
SELECT name,
       count(*) AS bits_of_header,
       count(pat_jwt_account(concat_ws('.', pg_temp.flip(header, n), payload, signature), '2011-01-01 00:00+00')) AS accepted
FROM example, generate_series(0, octet_length(pg_temp.bytes(header)) * 8 - 1) AS n GROUP BY name ORDER BY name;
SELECT name,
       count(*) AS bits_of_payload,
       count(pat_jwt_account(concat_ws('.', header, pg_temp.flip(payload, n), signature), '2011-01-01 00:00+00')) AS accepted
FROM example, generate_series(0, octet_length(pg_temp.bytes(payload)) * 8 - 1) AS n GROUP BY name ORDER BY name;
SELECT name,
       count(*) AS bits_of_signature,
       count(pat_jwt_account(concat_ws('.', header, payload, pg_temp.flip(signature, n)), '2011-01-01 00:00+00')) AS accepted
FROM example, generate_series(0, octet_length(pg_temp.bytes(signature)) * 8 - 1) AS n GROUP BY name ORDER BY name;
DELETE FROM pat_jwt_key;

-- every algorithm: a caller like any other, whose account's role decides
SELECT pat_create_account('regress-bot', root_role => 1) AS bot \gset
SELECT pat_create_account('regress-viewer') AS viewer \gset
SELECT pat_create_account(NULL, root_role => 2, is_service => false) AS nameless \gset
SELECT pat_create_account('4711') AS number \gset
SELECT pat_create_account('jürgen-☃') AS snow \gset
SELECT id AS t FROM pat_create_token(:viewer, 'x', NULL, 'user:regress-viewer', '2020-01-01 00:00+00') \gset

CREATE TEMP TABLE key (algorithm text, pem text, token text);
-- Made for this test: openssl's genrsa and ecparam for keys, and for each a token of a header with its
-- algorithm and kid and the payload {"sub":"regress-bot","exp":32472144000}, the year 2999.
INSERT INTO key VALUES
    ('RS256', '-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0iXp/1O/yR1sDIaL0y7i
lOimKm8OWsCW9iFbsuVSHsff664AJ9ezaGDQIO/LsMYXQB0su+uDPlWMueopUtR0
deqEqKvzrjyk1mfu3GiXnqjTbqsQxf13iuzAy7TtUwGBy0SYQ8Aw411ahLZ3fuQc
GU21LL2vJ8H58J98qIvZej/zD/OfONXag8/Jy4VhWg5tHjBNsNq9OHC1wuI2r3WJ
5gtWyVUr016aimw7s2xJGP6fhtfdGsaZFdBsw/AySFoCW9YWl/2x3PLSzteWFYde
Qk1n6Nf4RmYwRJ3bIvfskRoqh8x79E7Ckf703uI/X2NYo7hSW9v6XvwZW0/almlS
awIDAQAB
-----END PUBLIC KEY-----',
     'eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6InJzMjU2In0.eyJzdWIiOiJyZWdyZXNzLWJvdCIsImV4cCI6MzI0NzIx'
     'NDQwMDB9.X1m-RLCHpJaRY-ll8WdFh1O5ArNw-zlkI6M_4cCOVZM8813TbA6urY0DiP2XooPa_LqwP4EA98opVcjFDmaHVKQgHn_'
     'bJdFwIJ_wQS5Ot1ckvwJtZhn2Dzf5E0HZy3oOGaWHM4wsQvweJeo3pa9DNED04ONNzcOE3GuMn26oHaZi2wubZAmeSuxgQgPcO6x'
     'Sig5BB24zLKr_QwsCf1s96KScyHl3yXNUAxX3L4i1jM92ijG0i6i0KGPiajZh-V_Z2a77rjJOcKjtNPVMPaYwSG_8WozYamtVe8W'
     'dGDCiii46TkzHMr1LCX1DMSTQXfZuVgxL4dAb8YbMK6fotEVjxw'),
    ('RS384', '-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0iXp/1O/yR1sDIaL0y7i
lOimKm8OWsCW9iFbsuVSHsff664AJ9ezaGDQIO/LsMYXQB0su+uDPlWMueopUtR0
deqEqKvzrjyk1mfu3GiXnqjTbqsQxf13iuzAy7TtUwGBy0SYQ8Aw411ahLZ3fuQc
GU21LL2vJ8H58J98qIvZej/zD/OfONXag8/Jy4VhWg5tHjBNsNq9OHC1wuI2r3WJ
5gtWyVUr016aimw7s2xJGP6fhtfdGsaZFdBsw/AySFoCW9YWl/2x3PLSzteWFYde
Qk1n6Nf4RmYwRJ3bIvfskRoqh8x79E7Ckf703uI/X2NYo7hSW9v6XvwZW0/almlS
awIDAQAB
-----END PUBLIC KEY-----',
     'eyJhbGciOiJSUzM4NCIsInR5cCI6IkpXVCIsImtpZCI6InJzMzg0In0.eyJzdWIiOiJyZWdyZXNzLWJvdCIsImV4cCI6MzI0NzIx'
     'NDQwMDB9.FqpLIwJvgNGfrjn8YJLD7v6CpDVU7A6exGzLXzLH4gwflfSYi8C0Cb4ufqv0LEpuIUuy7JuyFDDbdjuS5HyGFpmrPFE'
     'j91-3YZvBGsn0Hj_z0v3Cw0PMX_at4i92quFKFOxovNuwT8yxYN42p9xrjyFrlp6eEmsKH8AZmIffZvd6pFNCMyiWrJ8m4OC2_8_'
     '6K-168PMbxwIpbQHXbBFOzhgnXLYCsPRPKIyWLDQdBvp9K3_pMIimePoA38DTd8kIQTCEX5FbXEQrI1lvjiVRYglD69kDSJUyrCv'
     'Tp7BCFj_q3Euq3LSasdGiTV-YiuyZQS0b1fnNCRwBbykz0YIBLw'),
    ('RS512', '-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0iXp/1O/yR1sDIaL0y7i
lOimKm8OWsCW9iFbsuVSHsff664AJ9ezaGDQIO/LsMYXQB0su+uDPlWMueopUtR0
deqEqKvzrjyk1mfu3GiXnqjTbqsQxf13iuzAy7TtUwGBy0SYQ8Aw411ahLZ3fuQc
GU21LL2vJ8H58J98qIvZej/zD/OfONXag8/Jy4VhWg5tHjBNsNq9OHC1wuI2r3WJ
5gtWyVUr016aimw7s2xJGP6fhtfdGsaZFdBsw/AySFoCW9YWl/2x3PLSzteWFYde
Qk1n6Nf4RmYwRJ3bIvfskRoqh8x79E7Ckf703uI/X2NYo7hSW9v6XvwZW0/almlS
awIDAQAB
-----END PUBLIC KEY-----',
     'eyJhbGciOiJSUzUxMiIsInR5cCI6IkpXVCIsImtpZCI6InJzNTEyIn0.eyJzdWIiOiJyZWdyZXNzLWJvdCIsImV4cCI6MzI0NzIx'
     'NDQwMDB9.DRZgqFSs9_Q3wifU-WzzgAlbiGjIDBR6z-ds2aA0MrLk6-sTxOKcrNBQEho6jpWBirsdsJiSWHMrIPYVSawQOko4og5'
     'ETdoC5R_Awkp9D5DAIObEBkdABrtFFCbImfTqOTu2ejLX5R8IAoUOyCDbOAF3OenTo9hHFnM7ejSYjSH_dqeVFUZBdt5J7sTjZ3l'
     'dbOenyl3IBTAUHN5KUxhRbvnMWU_xylmXl5qQDsbOeL5eh3X24VPDDf4rX29JcfzFC4tKENwyNv3wYY_GrrY5vHKo7Qfd4gByKna'
     'rkb8GE9hWqS9V6LH5qn0UAsbQ4SUHDZqSAuwSDqBVvk5UUWZvYA'),
    ('ES256', '-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEBFGPZ+h7DgFOleLgLcpIdL69/TWV
2T6LJXpOc0kYYIy03JIqQymNyJA7ZA3vprE/qM7m8b/KH78x29kwiGzy1A==
-----END PUBLIC KEY-----',
     'eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVzMjU2In0.eyJzdWIiOiJyZWdyZXNzLWJvdCIsImV4cCI6MzI0NzIx'
     'NDQwMDB9.JFGYIXQyUGVA8M6qXkL4fWuoS1yc0O3NG93bbPlfGlXH7priYRJL4_9QcV3Fpx8ZwcY1D5MZ42LDAOdYwdI9dw'),
    ('ES384', '-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEwNRSM3OKLNSuYQTEVSsjg6EekSTUWEh0
ddyBPntSOc8QwHpYoZMAFHzmNVQuwiOHK5LAz5+tXo+LFCrQjItTBbxd87iDkclH
jtQyytx79HL8emRHncPANcGWR1lmpTpD
-----END PUBLIC KEY-----',
     'eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCIsImtpZCI6ImVzMzg0In0.eyJzdWIiOiJyZWdyZXNzLWJvdCIsImV4cCI6MzI0NzIx'
     'NDQwMDB9.6SAIzaVx1l7g8DSJ1gQMWkGfWIu5pwKO71sApkOgBgX-uo3oz6U5V_xYki7aMMUA5hfq8M0gq9z0ByVqFwSNqdcDRCa'
     'HOFRUgYyxL-yVaCh8OlYrgsXbosD3CDvwKgiF'),
    ('ES512', '-----BEGIN PUBLIC KEY-----
MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQBl5+LgBG4SPTeO+pftMnbxpunLPnO
WmZuZTJYu9nMGZZX+nfYaqd5/kG2sqUVgvhmFpaAaWcjcW1O8cjRQf6xqNYBGH+X
LoBwPHxtGK6Q7RRywgLGEIXOgPta2ZlYmnTqQvKEKuBlTx0+BZtMIKKEH4yt5576
VaZOEREln/qez4J/wJ8=
-----END PUBLIC KEY-----',
     'eyJhbGciOiJFUzUxMiIsInR5cCI6IkpXVCIsImtpZCI6ImVzNTEyIn0.eyJzdWIiOiJyZWdyZXNzLWJvdCIsImV4cCI6MzI0NzIx'
     'NDQwMDB9.AEQEj8E0x92ygf8K-4lPp3HdGIjdxSNIefmyU_2YuzsLyCs-Zt5PGucv4IreR0CnvJsmQDV_dy-puL5Wze8ldNqKAbn'
     'nJwBWDTxmvFNF2CNvjD9Bm1tZ2lYfPk1noIc-yeaZsZLUMqESOLjWJi0AHtICL27kf3ex53qzyBXqlIUP3S69');
SELECT pat_add_jwt_key(lower(algorithm), algorithm, pem) FROM key;
SELECT algorithm, c.account_id = :bot AS bot, c.username, c.is_service, c.permissions, c.token_id, c.expires_at
FROM key, pat_caller(token) AS c;
SELECT algorithm, pat_list_for_service_account(:viewer, token)::text = pat_list_for_service_account(:viewer, 'bearer ' || token)::text AS lists,
       json_array_length(pat_list_for_service_account(:viewer, token) -> 'pats') AS tokens
FROM key;

-- the makers of tokens for what follows
CREATE FUNCTION pg_temp.padded(key bytea, pad integer) RETURNS bytea LANGUAGE sql AS $$
    SELECT string_agg(set_byte('\x00', 0, pad # CASE WHEN i < octet_length(key) THEN get_byte(key, i) ELSE 0 END), '' ORDER BY i)
    FROM generate_series(0, 63) AS i
$$;
CREATE FUNCTION pg_temp.hmac(key bytea, data bytea) RETURNS bytea LANGUAGE sql AS $$
    SELECT sha256(pg_temp.padded(key, 92) || sha256(pg_temp.padded(key, 54) || data))
$$;
CREATE FUNCTION pg_temp.jwt(payload text, header text DEFAULT '{"alg":"HS256","kid":"hs"}') RETURNS text LANGUAGE sql AS $$
    SELECT signed || '.' || pg_temp.segment(pg_temp.hmac(convert_to('a secret of thirty-two bytes, so', 'UTF8'), convert_to(signed, 'UTF8')))
    FROM (SELECT pg_temp.segment(convert_to(header, 'UTF8')) || '.' || pg_temp.segment(convert_to(payload, 'UTF8'))) AS s (signed)
$$;
CREATE FUNCTION pg_temp.who(payload text, header text DEFAULT '{"alg":"HS256","kid":"hs"}') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT coalesce(username, 'nameless') FROM pat_caller(pg_temp.jwt(payload, header)));
EXCEPTION WHEN SQLSTATE 'PT401' THEN
    RETURN 'PT401 ' || SQLERRM;
END
$$;
SELECT pat_add_jwt_key('hs', 'HS256', 'a secret of thirty-two bytes, so');
-- the same token as pat_jwt_sign makes
SELECT pg_temp.jwt('{"sub":1}', '{"alg":"HS256","typ":"JWT"}') = pat_jwt_sign('{"sub":1}', 'a secret of thirty-two bytes, so') AS same;

-- who is meant: an id as number or text, or a username
SELECT subject, pg_temp.who(format('{"sub":%s,"exp":32472144000}', subject))
FROM unnest(ARRAY['"regress-bot"', '"\u0072egress-bot"', '"jürgen-☃"', '"j\u00fcrgen-\u2603"', '"4711"', '"Regress-Bot"', '" regress-bot"',
                  '"unleash_system_user"', '"-1337"', '-1337', '"unknown"', '""']) AS subject;
SELECT pg_temp.who(format('{"sub":%s,"exp":32472144000}', :bot)) AS number, pg_temp.who(format('{"sub":"%s","exp":32472144000}', :bot)) AS text,
       pg_temp.who(format('{"sub":"%s","exp":32472144000}', :nameless)) AS nameless,
       pg_temp.who(format('{"sub":%s.0,"exp":32472144000}', :bot)) AS fraction, pg_temp.who(format('{"sub":%se0,"exp":32472144000}', :bot)) AS exponent,
       pg_temp.who(format('{"sub":"0%s","exp":32472144000}', :bot)) AS zero, pg_temp.who(format('{"sub":"+%s","exp":32472144000}', :bot)) AS sign,
       pg_temp.who(format('{"sub":%s,"exp":32472144000}', :bot + 4294967296)) AS too_large;
-- an id that is another's username names nobody; one that is the account's own username is fine
SELECT pat_create_account(:'bot') AS impostor \gset
SELECT pg_temp.who(format('{"sub":"%s","exp":32472144000}', :bot)) AS ambiguous, pg_temp.who(format('{"sub":%s,"exp":32472144000}', :bot)) AS number;
UPDATE pat_account SET username = id::text WHERE id = :impostor;
SELECT pg_temp.who(format('{"sub":"%s","exp":32472144000}', :impostor)) = :'impostor' AS own_id;
-- a deleted account is nobody, and its username may be another's
SELECT pat_create_account('regress-gone') AS gone \gset
SELECT pat_delete_account(:gone);
SELECT pg_temp.who('{"sub":"regress-gone","exp":32472144000}') AS name, pg_temp.who(format('{"sub":%s,"exp":32472144000}', :gone)) AS id;
SELECT pat_create_account('regress-gone') IS NOT NULL AS again;
SELECT pg_temp.who('{"sub":"regress-gone","exp":32472144000}') AS name, pg_temp.who(format('{"sub":%s,"exp":32472144000}', :gone)) AS id;

-- what a token may do comes from the account's role, whatever the token says
SELECT permissions FROM pat_caller(pg_temp.jwt('{"sub":"regress-viewer","exp":32472144000,"permissions":["ADMIN"],"role":"ADMIN","root_role":1}'));
SELECT pat_list_for_service_account(:viewer, pg_temp.jwt('{"sub":"regress-viewer","exp":32472144000,"permissions":["ADMIN"]}'));
SELECT json_array_length(pat_list(pg_temp.jwt('{"sub":"regress-viewer","exp":32472144000}')) -> 'pats') AS own;
-- an account calls, but no token of the table
SELECT split_part(pat_answer_list(pg_temp.jwt('{"sub":"regress-viewer","exp":32472144000}')), E'\n', 1) = '200 ' || :viewer || ' -' AS told,
       pat_last_caller() = :viewer || ' -' AS known;

-- with kid and without; members of the header that nobody asked for
SELECT header, pg_temp.who('{"sub":"regress-bot","exp":32472144000}', header)
FROM unnest(ARRAY['{"alg":"HS256"}', '{"alg":"HS256","kid":"hs"}', '{"kid":"hs","typ":"JWT","alg":"HS256"}', '{"alg":"HS256","typ":"jwt"}',
                  '{"alg":"\u0048S256","\u006bid":"h\u0073"}', '{"alg":"HS256","kid":"hs","jku":"https://issuer.invalid/","x5u":"file:///etc/passwd"}',
                  '{"alg":"HS256","jwk":{"kty":"oct","k":"AA"}}', E' {\t"alg" :\n"HS256"\r} ', '{"alg":"HS256","kid":"../../dev/null"}']) AS header;

-- issuer and audience
SELECT pat_delete_jwt_key('hs');
SELECT pat_add_jwt_key('hs', 'HS256', 'a secret of thirty-two bytes, so', 'https://issuer.example', 'pat', 'account');
SELECT claims, pg_temp.who(format('{"account":"regress-bot","exp":32472144000%s}', claims))
FROM unnest(ARRAY[',"iss":"https://issuer.example","aud":"pat"', ',"iss":"https://issuer.example","aud":["other","pat"]', ',"iss":"https://issuer.example","aud":["pat"],"sub":"x"',
                  ',"iss":"https://issuer.\u0065xample","aud":["\u0070at"]']) AS claims;

-- times: RFC 7519's NumericDate is any number of seconds, and both ends of the leeway are exact
SELECT pat_delete_jwt_key('hs');
SELECT pat_add_jwt_key('hs', 'HS256', 'a secret of thirty-two bytes, so');
SELECT claims, pg_temp.who(format('{"sub":"regress-bot",%s}', claims))
FROM unnest(ARRAY['"exp":32472144000.5', '"exp":3.2472144e10', '"exp":324721440000E-1', '"exp":1e300', '"exp":32472144000,"nbf":0', '"exp":32472144000,"nbf":-1.5e3',
                  '"exp":32472144000,"iat":32472143000', '"exp":32472144000,"iat":-1']) AS claims;
SELECT expires_at FROM pat_caller(pg_temp.jwt('{"sub":"regress-bot","exp":32472144000.5}'));
SELECT expires_at FROM pat_caller(pg_temp.jwt('{"sub":"regress-bot","exp":1e300}'));
CREATE FUNCTION pg_temp.at(leeway text) RETURNS TABLE (second numeric, accepted boolean) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('pat.jwt_leeway', leeway, true);
    RETURN QUERY SELECT s, pat_jwt_account(pg_temp.jwt('{"sub":"regress-bot","nbf":1000000,"exp":1001000}'),
                                           timestamptz '1970-01-01 00:00+00' + s * interval '1 second') IS NOT NULL
    FROM unnest('{999939.999999, 999940, 999999.999999, 1000000, 1000999.999999, 1001000, 1001059.999999, 1001060}'::numeric[]) AS s;
END
$$;
SHOW pat.jwt_leeway;
SELECT a.second, a.accepted AS leeway_0, b.accepted AS leeway_60
FROM pg_temp.at('0') WITH ORDINALITY AS a (second, accepted, n) JOIN pg_temp.at('60') WITH ORDINALITY AS b (second, accepted, n) USING (n) ORDER BY n;
-- 16 and later tell the range with its unit
\set VERBOSITY sqlstate
SET LOCAL pat.jwt_leeway = 61;
SET LOCAL pat.jwt_leeway = -1;
\set VERBOSITY default
CREATE ROLE regress_pat_signer;
SET LOCAL ROLE regress_pat_signer;
SET LOCAL pat.jwt_leeway = 60;
RESET ROLE;

-- a caller with a JWT leaves no trace in seen_at, and needs no writing
SET LOCAL transaction_read_only = on;
SELECT username FROM pat_caller(pg_temp.jwt('{"sub":"regress-viewer","exp":32472144000}'));
SELECT seen_at FROM pat_token WHERE id = :t;
ROLLBACK;
