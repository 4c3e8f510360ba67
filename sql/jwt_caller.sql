-- JSON Web Tokens that are accepted: the examples of the RFCs, and each algorithm with each rule of
-- its key. What is refused stands in jwt_refused.
BEGIN;
\set ON_ERROR_ROLLBACK on
SET LOCAL TIME ZONE 'UTC';

-- RFC 7515, A.1 (HS256; also RFC 7519, 3.1), A.2 (RS256), A.3 (ES256), signed with their own keys;
-- their payload has "iat":0 besides, without which it may name nobody by username
SELECT pat_create_account('joe') AS joe \gset
UPDATE pat_account SET created_at = '1970-01-01 00:00+00' WHERE id = :joe;
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
     'eyJpc3MiOiJqb2UiLA0KICJpYXQiOjAsDQogImV4cCI6MTMwMDgxOTM4MCwNCiAiaHR0cDovL2V4YW1wbGUuY29tL2lzX3Jvb3QiOnRydWV9',
     'TSCCfumS5kFvg65dQh8sTf7VV5gX6ue-kwKX6dTPECw'),
    ('A.2', 'eyJhbGciOiJSUzI1NiJ9',
     'eyJpc3MiOiJqb2UiLA0KICJpYXQiOjAsDQogImV4cCI6MTMwMDgxOTM4MCwNCiAiaHR0cDovL2V4YW1wbGUuY29tL2lzX3Jvb3QiOnRydWV9',
     'SRj7d8ptZsPZSGZJFe7nP9K8cONGleQifZthrDQ593IelhGaK2GMOtnaV-yXnH5zLboJlWsnUpQUzFIml0eMg3KadU0_Ulkh'
     'KJQZAQMudYBleGsD4S5HftTYFIKt6k6Gy_ExuHJebxRkaRx_xfAYAp6exe7IPbnAQtPbmOQS1cBDSMdaLlyecryFqTAPzlGP'
     'qkbRGgLpexjTSRuIh3V4RNQl5oNyvkc485uhf6lxE2FlH4RLa9R70UMFlrR4aCM0xAwT2C-iMlFnRfgGdIb-jWUOH0L24Dl0'
     'TkFiEjmpmmuX6dvgKbOzSfHC5t8JO2bCCJq5HJKQQcEX7RZTTSnDkQ'),
    ('A.3', 'eyJhbGciOiJFUzI1NiJ9',
     'eyJpc3MiOiJqb2UiLA0KICJpYXQiOjAsDQogImV4cCI6MTMwMDgxOTM4MCwNCiAiaHR0cDovL2V4YW1wbGUuY29tL2lzX3Jvb3QiOnRydWV9',
     'csT5C097ie0zlnnPBAJ8YJEilGhWtSYrWnqfRzRFj5D55Mr45DxNUVK7ZW9C-6JLIqvP4QOIjzfP3weRRfZZKA');

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
-- all older than the tokens, which are from 2020: when a token must have been issued is jwt_issued's
UPDATE pat_account SET created_at = '1970-01-01 00:00+00' WHERE id IN (:bot, :viewer, :nameless, :number, :snow);
SELECT id AS t FROM pat_create_token(:viewer, 'x', NULL, 'user:regress-viewer', '2020-01-01 00:00+00') \gset

CREATE TEMP TABLE key (algorithm text, pem text, token text);
-- Made for this test: openssl's genrsa and ecparam for keys, and for each a token of a header with its
-- algorithm and kid and the payload {"sub":"regress-bot","iat":1600000000,"exp":32472144000}: from 2020 to the year 2999.
INSERT INTO key VALUES
    ('RS256', '-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0gloznL5S3waZorfVGSg
+Nhm9ZtpzGLscsDSYapDuLFzgG6P3b1cd6sJm+iqa7jswoVNmWv+/Y3Sf7Msp0b/
mST7XfaqWTRcxJC1WBtOxYheBM8aZR16pFCnUWblW29f5xCIiqyu5GhDDLjJCkS/
z/WBZgCwVOLyPDhW+j3Rot6JhZOZg0AHoKb9PoeQP9qVfgsiMaMk0gMYuYuLD0Jp
T0dua8SZiSzzk/cyy2yAL5LlN8YgDEkQT3a2WK9zdQKFnzR/ncz3cxQBCFV/ShCK
rMA+OyHfYDe9EWAj61RqUwhGszEALc0Jz4yZcpSsyZgKRd4hfBN72OvEs+aB5dR5
IwIDAQAB
-----END PUBLIC KEY-----',
     'eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6InJzMjU2In0.eyJzdWIiOiJyZWdyZXNzLWJvdCIsImlhdCI6MTYwMDAw'
     'MDAwMCwiZXhwIjozMjQ3MjE0NDAwMH0.WRjRcM7F3jngwgMq2xXNaYCJdUez4h4yot-W5DYHUlBZ0U_SOs7HF0fVKipS-1sSBtiO'
     'Kxrz3xsCE-B_9EUNDM8aJQj8AHxrrwbLakeHHGrvQ16LLYQCc_uCHgt41kg4yQZmXQ1njyr-y8LxnbHUoOvw1C2dSsWIcF_cE4Yb'
     'NC9OYR2ur3U7NcDG9An2MVXNkwrg-cC4JgDPehyDLeC3s777VUar1lmmQopWKmEa-zS62eEvHhiVvXi1pWo8ZyY71mz8znmRVUyf'
     '5GyPYnOto1icbJwm9xSdaydBvv4VtuJi_2hKDVKkx1HMZ2wfj6h1sNLmg34Op9LySDKhxwCHNg'),
    ('RS384', '-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0gloznL5S3waZorfVGSg
+Nhm9ZtpzGLscsDSYapDuLFzgG6P3b1cd6sJm+iqa7jswoVNmWv+/Y3Sf7Msp0b/
mST7XfaqWTRcxJC1WBtOxYheBM8aZR16pFCnUWblW29f5xCIiqyu5GhDDLjJCkS/
z/WBZgCwVOLyPDhW+j3Rot6JhZOZg0AHoKb9PoeQP9qVfgsiMaMk0gMYuYuLD0Jp
T0dua8SZiSzzk/cyy2yAL5LlN8YgDEkQT3a2WK9zdQKFnzR/ncz3cxQBCFV/ShCK
rMA+OyHfYDe9EWAj61RqUwhGszEALc0Jz4yZcpSsyZgKRd4hfBN72OvEs+aB5dR5
IwIDAQAB
-----END PUBLIC KEY-----',
     'eyJhbGciOiJSUzM4NCIsInR5cCI6IkpXVCIsImtpZCI6InJzMzg0In0.eyJzdWIiOiJyZWdyZXNzLWJvdCIsImlhdCI6MTYwMDAw'
     'MDAwMCwiZXhwIjozMjQ3MjE0NDAwMH0.QOhmvLqvgVHN_q8Hyj1nysrZyabxMjS_aAI17HjiRUgnopO7_jiWLyRqjKpte4UTrnjc'
     '_UVgNqBQ8LWTVEIhKudT7ykiEV8hlIo1yIqms01oUpT9dm8j-T79Kn6oF-UXIcXEje1suvjZrWTGVRNtHCAh60M6ZKLEUIRgN6Ub'
     'f1PTc8Y3FpJXoQ7gbQBZ_lH_Hwejsa5rQ1FrKC-OS-VOeJRZ4UBynqwmTqQSS6Ljw_8qh5Dhuz53GpcfkoCALBvEnS_xepFfXI12'
     'yxdcNSzUBptoph7cRNcstRp74Ksuqx4HeRABkF2qIHku961ORZvdru2Sux7JqYydYqTMFLlXng'),
    ('RS512', '-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0gloznL5S3waZorfVGSg
+Nhm9ZtpzGLscsDSYapDuLFzgG6P3b1cd6sJm+iqa7jswoVNmWv+/Y3Sf7Msp0b/
mST7XfaqWTRcxJC1WBtOxYheBM8aZR16pFCnUWblW29f5xCIiqyu5GhDDLjJCkS/
z/WBZgCwVOLyPDhW+j3Rot6JhZOZg0AHoKb9PoeQP9qVfgsiMaMk0gMYuYuLD0Jp
T0dua8SZiSzzk/cyy2yAL5LlN8YgDEkQT3a2WK9zdQKFnzR/ncz3cxQBCFV/ShCK
rMA+OyHfYDe9EWAj61RqUwhGszEALc0Jz4yZcpSsyZgKRd4hfBN72OvEs+aB5dR5
IwIDAQAB
-----END PUBLIC KEY-----',
     'eyJhbGciOiJSUzUxMiIsInR5cCI6IkpXVCIsImtpZCI6InJzNTEyIn0.eyJzdWIiOiJyZWdyZXNzLWJvdCIsImlhdCI6MTYwMDAw'
     'MDAwMCwiZXhwIjozMjQ3MjE0NDAwMH0.r1LXZixP6YzLSHXB1IkdENv3h814MccJWmUePLAmXD0Tb-fLFa_rLwHJRLlkYLZD5Wws'
     'yYc9E3Fm2s4WSQfP_T3QycB1-3t8pvaqJCgQjcL_ShLawrgWay8GQWHjp5DcMQN9MIsdNTNvquidaiFTyEA0iOOkN5d0rjo7h8p2'
     'nFSjUCefJKSnhpQXCBNJ99Ty7xjFCkMTaCG_qkwH5psrXdAANKAxhzmrF5t3L7Cw9tVa1oYVjKxbwrd0L74J31mb7Q5L9mC4h6LO'
     'Ct332l0Tp05QBRXdYR1KW24k6UsBzlUmbnY_46oCewXAti0rRc56jjKrPbhctVsRo3arTjhqbw'),
    ('ES256', '-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEH+ZXEQ1FnilaG+8uueEAanxJG6AE
w1rL7zHhKemBIvxyV+pSsLKCOMqwkYS5q8HHgSYUcr1k4yzA9KMor9sl5A==
-----END PUBLIC KEY-----',
     'eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVzMjU2In0.eyJzdWIiOiJyZWdyZXNzLWJvdCIsImlhdCI6MTYwMDAw'
     'MDAwMCwiZXhwIjozMjQ3MjE0NDAwMH0.MepZZSCdUkeSZtg-lbsAO80ch-utV7o54BlAjQ2HLTZmw9Bi6cmLgzBAmPgRB8dyYimP'
     '-roNjv1v0pXW22LqFg'),
    ('ES384', '-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEl26ThANF9PCbKTaer4N2m+6IzygQVL6Y
Th4dF6rA2yZKxAbds4o8zLgf6K4mPZ0T8rWH52+EAA6jBbkp0tu/xsldPyQziByn
5GDh1aKhcxBlW37f9jydgC3FItL/JUVR
-----END PUBLIC KEY-----',
     'eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCIsImtpZCI6ImVzMzg0In0.eyJzdWIiOiJyZWdyZXNzLWJvdCIsImlhdCI6MTYwMDAw'
     'MDAwMCwiZXhwIjozMjQ3MjE0NDAwMH0.oejMwIDxGrNfMGt-klTgmCmR2CGYi7HbuJyuWqV5HwiVTaXPSR467aCnW84W-MDejydW'
     'Xl3S82dgPNLQCweTBUzRzzIeW7bE7JhmMzOrP9Lm20OSAyZPC2nBWfKSQxFe'),
    ('ES512', '-----BEGIN PUBLIC KEY-----
MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQBu/FdM+3q2GDn9DekkHBKgKFJyWvy
7Ykhdi4QV3HOuj8keFFVJk2adsuQYNzdhzyF6t2sqI2XNMqSXiz2gC5LeGwAXbwz
ceu4CtNX1ctD3+nNTgCjV8hA/8lka0RmIlzQCGe/YYL7AHEZF84rLvBMZoyXtEJB
awQw9qHZcKG4qO8xMl8=
-----END PUBLIC KEY-----',
     'eyJhbGciOiJFUzUxMiIsInR5cCI6IkpXVCIsImtpZCI6ImVzNTEyIn0.eyJzdWIiOiJyZWdyZXNzLWJvdCIsImlhdCI6MTYwMDAw'
     'MDAwMCwiZXhwIjozMjQ3MjE0NDAwMH0.AVCQZ5pscr1SMJQOruYETskLu8dB8Wg_H_6Qgf8gtHrRflPMbXYpQhWxkfLGNQjEkPBn'
     '7-81M9tElC2_aztAk2vTAKPt6JYitWdIkxV_L1isfwvqrXEJf8RFnrlG_CqCSmF2_6BkvbFWkxwlpaSLqfXuicreaffsy5XI5q9a'
     'NjRkrjJU');
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
SELECT subject, pg_temp.who(format('{"sub":%s,"iat":1600000000,"exp":32472144000}', subject))
FROM unnest(ARRAY['"regress-bot"', '"\u0072egress-bot"', '"jürgen-☃"', '"j\u00fcrgen-\u2603"', '"4711"', '"Regress-Bot"', '" regress-bot"',
                  '"unleash_system_user"', '"-1337"', '-1337', '"unknown"', '""']) AS subject;
SELECT pg_temp.who(format('{"sub":%s,"iat":1600000000,"exp":32472144000}', :bot)) AS number, pg_temp.who(format('{"sub":"%s","iat":1600000000,"exp":32472144000}', :bot)) AS text,
       pg_temp.who(format('{"sub":"%s","iat":1600000000,"exp":32472144000}', :nameless)) AS nameless,
       pg_temp.who(format('{"sub":%s.0,"iat":1600000000,"exp":32472144000}', :bot)) AS fraction, pg_temp.who(format('{"sub":%se0,"iat":1600000000,"exp":32472144000}', :bot)) AS exponent,
       pg_temp.who(format('{"sub":"0%s","iat":1600000000,"exp":32472144000}', :bot)) AS zero, pg_temp.who(format('{"sub":"+%s","iat":1600000000,"exp":32472144000}', :bot)) AS sign,
       pg_temp.who(format('{"sub":%s,"iat":1600000000,"exp":32472144000}', :bot + 4294967296)) AS too_large;
-- an id that is another's username names nobody; one that is the account's own username is fine
SELECT pat_create_account(:'bot') AS impostor \gset
UPDATE pat_account SET created_at = '1970-01-01 00:00+00' WHERE id = :impostor;
SELECT pg_temp.who(format('{"sub":"%s","iat":1600000000,"exp":32472144000}', :bot)) AS ambiguous, pg_temp.who(format('{"sub":%s,"iat":1600000000,"exp":32472144000}', :bot)) AS number;
UPDATE pat_account SET username = id::text WHERE id = :impostor;
SELECT pg_temp.who(format('{"sub":"%s","iat":1600000000,"exp":32472144000}', :impostor)) = :'impostor' AS own_id;
-- a deleted account is nobody, nor is another one that bears its username the account that the token was issued for
SELECT pat_create_account('regress-gone') AS gone \gset
UPDATE pat_account SET created_at = '1970-01-01 00:00+00' WHERE id = :gone;
SELECT pg_temp.who('{"sub":"regress-gone","iat":1600000000,"exp":32472144000}') AS name;
SELECT pat_delete_account(:gone);
SELECT pg_temp.who('{"sub":"regress-gone","iat":1600000000,"exp":32472144000}') AS name, pg_temp.who(format('{"sub":%s,"iat":1600000000,"exp":32472144000}', :gone)) AS id;
SELECT pat_create_account('regress-gone') IS NOT NULL AS again;
SELECT pg_temp.who('{"sub":"regress-gone","iat":1600000000,"exp":32472144000}') AS name, pg_temp.who(format('{"sub":%s,"iat":1600000000,"exp":32472144000}', :gone)) AS id;

-- what a token may do comes from the account's role, whatever the token says
SELECT permissions FROM pat_caller(pg_temp.jwt('{"sub":"regress-viewer","iat":1600000000,"exp":32472144000,"permissions":["ADMIN"],"role":"ADMIN","root_role":1}'));
SELECT pat_list_for_service_account(:viewer, pg_temp.jwt('{"sub":"regress-viewer","iat":1600000000,"exp":32472144000,"permissions":["ADMIN"]}'));
SELECT json_array_length(pat_list(pg_temp.jwt('{"sub":"regress-viewer","iat":1600000000,"exp":32472144000}')) -> 'pats') AS own;
-- an account calls, but no token of the table
SELECT split_part(pat_answer_list(pg_temp.jwt('{"sub":"regress-viewer","iat":1600000000,"exp":32472144000}')), E'\n', 1) = '200 ' || :viewer || ' -' AS told,
       pat_last_caller() = :viewer || ' -' AS known;

-- with kid and without; members of the header that nobody asked for
SELECT header, pg_temp.who('{"sub":"regress-bot","iat":1600000000,"exp":32472144000}', header)
FROM unnest(ARRAY['{"alg":"HS256"}', '{"alg":"HS256","kid":"hs"}', '{"kid":"hs","typ":"JWT","alg":"HS256"}', '{"alg":"HS256","typ":"jwt"}',
                  '{"alg":"\u0048S256","\u006bid":"h\u0073"}', '{"alg":"HS256","kid":"hs","jku":"https://issuer.invalid/","x5u":"file:///etc/passwd"}',
                  '{"alg":"HS256","jwk":{"kty":"oct","k":"AA"}}', E' {\t"alg" :\n"HS256"\r} ', '{"alg":"HS256","kid":"../../dev/null"}']) AS header;

-- issuer and audience
SELECT pat_delete_jwt_key('hs');
SELECT pat_add_jwt_key('hs', 'HS256', 'a secret of thirty-two bytes, so', 'https://issuer.example', 'pat', 'account');
SELECT claims, pg_temp.who(format('{"account":"regress-bot","iat":1600000000,"exp":32472144000%s}', claims))
FROM unnest(ARRAY[',"iss":"https://issuer.example","aud":"pat"', ',"iss":"https://issuer.example","aud":["other","pat"]', ',"iss":"https://issuer.example","aud":["pat"],"sub":"x"',
                  ',"iss":"https://issuer.\u0065xample","aud":["\u0070at"]']) AS claims;

-- times: RFC 7519's NumericDate is any number of seconds, and both ends of the leeway are exact
SELECT pat_delete_jwt_key('hs');
SELECT pat_add_jwt_key('hs', 'HS256', 'a secret of thirty-two bytes, so');
SELECT claims, pg_temp.who(format('{"sub":"regress-bot","iat":1600000000,%s}', claims))
FROM unnest(ARRAY['"exp":32472144000.5', '"exp":3.2472144e10', '"exp":324721440000E-1', '"exp":1e300', '"exp":32472144000,"nbf":0', '"exp":32472144000,"nbf":-1.5e3']) AS claims;
SELECT expires_at FROM pat_caller(pg_temp.jwt('{"sub":"regress-bot","iat":1600000000,"exp":32472144000.5}'));
SELECT expires_at FROM pat_caller(pg_temp.jwt('{"sub":"regress-bot","iat":1600000000,"exp":1e300}'));
CREATE FUNCTION pg_temp.at(leeway text) RETURNS TABLE (second numeric, accepted boolean) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('pat.jwt_leeway', leeway, true);
    RETURN QUERY SELECT s, pat_jwt_account(pg_temp.jwt('{"sub":"regress-bot","iat":0,"nbf":1000000,"exp":1001000}'),
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
SELECT username FROM pat_caller(pg_temp.jwt('{"sub":"regress-viewer","iat":1600000000,"exp":32472144000}'));
SELECT seen_at FROM pat_token WHERE id = :t;
ROLLBACK;
