-- JSON Web Tokens that are refused, all in the same words: what is wrong with each is one thing, and
-- the controls among them show that without it they would be accepted.
BEGIN;
\set ON_ERROR_ROLLBACK on
SET LOCAL TIME ZONE 'UTC';

CREATE FUNCTION pg_temp.segment(data bytea) RETURNS text LANGUAGE sql AS $$
    SELECT translate(encode(data, 'base64'), E'+/=\n', '-_')
$$;
CREATE FUNCTION pg_temp.segment(part text) RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.segment(convert_to(part, 'UTF8')) $$;
CREATE FUNCTION pg_temp.padded(key bytea, pad integer) RETURNS bytea LANGUAGE sql AS $$
    SELECT string_agg(set_byte('\x00', 0, pad # CASE WHEN i < octet_length(key) THEN get_byte(key, i) ELSE 0 END), '' ORDER BY i)
    FROM generate_series(0, 63) AS i
$$;
-- HMAC-SHA256 (RFC 2104)
CREATE FUNCTION pg_temp.hmac(key bytea, data text) RETURNS bytea LANGUAGE sql AS $$
    SELECT sha256(pg_temp.padded(k, 92) || sha256(pg_temp.padded(k, 54) || convert_to(data, 'UTF8')))
    FROM (SELECT CASE WHEN octet_length(key) > 64 THEN sha256(key) ELSE key END) AS s (k)
$$;
CREATE FUNCTION pg_temp.signed(text_to_sign text, key text DEFAULT 'a secret of thirty-two bytes, so') RETURNS text LANGUAGE sql AS $$
    SELECT text_to_sign || '.' || pg_temp.segment(pg_temp.hmac(convert_to(key, 'UTF8'), text_to_sign))
$$;
CREATE FUNCTION pg_temp.jwt(header text, payload text, key text DEFAULT 'a secret of thirty-two bytes, so') RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.signed(pg_temp.segment(header) || '.' || pg_temp.segment(payload), key)
$$;
-- a good header with this payload; a good payload with this header
CREATE FUNCTION pg_temp.pay(payload text, kid text DEFAULT 'hs') RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.jwt(format('{"alg":"HS256","kid":"%s"}', kid), payload)
$$;
CREATE FUNCTION pg_temp.head(header text, key text DEFAULT 'a secret of thirty-two bytes, so') RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.jwt(header, '{"sub":"regress-admin","iat":1600000000,"exp":32472144000}', key)
$$;

SELECT pat_create_account('regress-admin', root_role => 1) AS admin \gset
SELECT pat_create_account('regress-gone', root_role => 1) AS gone \gset
SELECT pat_delete_account(:gone);
SELECT pat_create_account(:'admin', root_role => 1) AS impostor \gset

-- Made for this test with openssl; the keys of no one.
SELECT '-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0gloznL5S3waZorfVGSg
+Nhm9ZtpzGLscsDSYapDuLFzgG6P3b1cd6sJm+iqa7jswoVNmWv+/Y3Sf7Msp0b/
mST7XfaqWTRcxJC1WBtOxYheBM8aZR16pFCnUWblW29f5xCIiqyu5GhDDLjJCkS/
z/WBZgCwVOLyPDhW+j3Rot6JhZOZg0AHoKb9PoeQP9qVfgsiMaMk0gMYuYuLD0Jp
T0dua8SZiSzzk/cyy2yAL5LlN8YgDEkQT3a2WK9zdQKFnzR/ncz3cxQBCFV/ShCK
rMA+OyHfYDe9EWAj61RqUwhGszEALc0Jz4yZcpSsyZgKRd4hfBN72OvEs+aB5dR5
IwIDAQAB
-----END PUBLIC KEY-----' AS rsa \gset
SELECT '-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEH+ZXEQ1FnilaG+8uueEAanxJG6AE
w1rL7zHhKemBIvxyV+pSsLKCOMqwkYS5q8HHgSYUcr1k4yzA9KMor9sl5A==
-----END PUBLIC KEY-----' AS ec \gset
SELECT pat_add_jwt_key('hs', 'HS256', 'a secret of thirty-two bytes, so');
SELECT pat_add_jwt_key('other', 'HS256', 'another secret, of as many bytes');
SELECT pat_add_jwt_key('old', 'HS256', 'a retired secret of the same len');
SELECT pat_retire_jwt_key('old');
SELECT pat_add_jwt_key('picky', 'HS256', 'a secret of thirty-two bytes, so', 'https://issuer.example', 'pat', 'account');
SELECT pat_add_jwt_key('rs256', 'RS256', :'rsa');
SELECT pat_add_jwt_key('es256', 'ES256', :'ec');
-- header {"alg":"RS256","typ":"JWT","kid":"rs256"} (and ES256), payload {"sub":"regress-bot","iat":1600000000,"exp":32472144000}
-- all older than the tokens, which are from 2020: when a token must have been issued is jwt_issued's
SELECT pat_create_account('regress-bot', root_role => 1) AS bot \gset
UPDATE pat_account SET created_at = '1970-01-01 00:00+00' WHERE username IS NOT NULL AND NOT is_system;
SELECT 'eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6InJzMjU2In0.eyJzdWIiOiJyZWdyZXNzLWJvdCIsImlhdCI6MTYwMDAw'
    'MDAwMCwiZXhwIjozMjQ3MjE0NDAwMH0.WRjRcM7F3jngwgMq2xXNaYCJdUez4h4yot-W5DYHUlBZ0U_SOs7HF0fVKipS-1sSBtiO'
    'Kxrz3xsCE-B_9EUNDM8aJQj8AHxrrwbLakeHHGrvQ16LLYQCc_uCHgt41kg4yQZmXQ1njyr-y8LxnbHUoOvw1C2dSsWIcF_cE4Yb'
    'NC9OYR2ur3U7NcDG9An2MVXNkwrg-cC4JgDPehyDLeC3s777VUar1lmmQopWKmEa-zS62eEvHhiVvXi1pWo8ZyY71mz8znmRVUyf'
    '5GyPYnOto1icbJwm9xSdaydBvv4VtuJi_2hKDVKkx1HMZ2wfj6h1sNLmg34Op9LySDKhxwCHNg' AS rs256 \gset
SELECT 'eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVzMjU2In0.eyJzdWIiOiJyZWdyZXNzLWJvdCIsImlhdCI6MTYwMDAw'
    'MDAwMCwiZXhwIjozMjQ3MjE0NDAwMH0.MepZZSCdUkeSZtg-lbsAO80ch-utV7o54BlAjQ2HLTZmw9Bi6cmLgzBAmPgRB8dyYimP'
    '-roNjv1v0pXW22LqFg' AS es256 \gset
SELECT split_part(:'rs256', '.', 1) AS rs_header, split_part(:'rs256', '.', 2) AS rs_payload, split_part(:'rs256', '.', 3) AS rs_signature,
       split_part(:'es256', '.', 1) AS es_header, split_part(:'es256', '.', 2) AS es_payload \gset
SELECT pg_temp.head('{"alg":"HS256","kid":"hs"}') AS good \gset
SELECT split_part(:'good', '.', 1) AS header, split_part(:'good', '.', 2) AS payload, split_part(:'good', '.', 3) AS signature \gset

CREATE TEMP TABLE attempt (id serial, name text, token text);

-- algorithms
INSERT INTO attempt (name, token)
    SELECT format('"%s", kid %s, signature %s', alg, coalesce(kid, 'absent'), signature),
           signed || '.' || CASE signature WHEN 'empty' THEN '' WHEN 'any' THEN 'AA' WHEN 'the secret''s' THEN split_part(pg_temp.signed(signed), '.', 3)
                            ELSE split_part(pg_temp.signed(signed, ''), '.', 3) END
    FROM unnest('{none,None,NONE,nOnE,""}'::text[]) WITH ORDINALITY AS a (alg, i), unnest(ARRAY[NULL, 'hs']) WITH ORDINALITY AS k (kid, j),
         unnest('{empty,any,the secret''s,the empty key''s}'::text[]) WITH ORDINALITY AS m (signature, k),
         LATERAL (SELECT pg_temp.segment(CASE WHEN kid IS NULL THEN format('{"alg":"%s"}', alg) ELSE format('{"alg":"%s","kid":"%s"}', alg, kid) END)
                         || '.' || pg_temp.segment('{"sub":"regress-admin","iat":1600000000,"exp":32472144000}')) AS s (signed)
    ORDER BY i, j, k;
INSERT INTO attempt (name, token) VALUES
    ('control: HS256', :'good'),
    ('control: RS256', :'rs256'),
    ('control: ES256', :'es256'),
    ('the empty key', pg_temp.head('{"alg":"HS256","kid":"hs"}', '')),
    ('another key', pg_temp.head('{"alg":"HS256","kid":"hs"}', 'another secret, of as many bytes')),
    ('a retired key', pg_temp.head('{"alg":"HS256","kid":"old"}', 'a retired secret of the same len')),
    ('HS256 with the RSA key''s text', pg_temp.head('{"alg":"HS256","kid":"rs256"}', :'rsa')),
    ('HS256 with the RSA key''s text and a line feed', pg_temp.head('{"alg":"HS256","kid":"rs256"}', :'rsa' || E'\n')),
    ('HS256 with the RSA key''s text, kid absent', pg_temp.head('{"alg":"HS256"}', :'rsa')),
    ('HS256 with the EC key''s text', pg_temp.head('{"alg":"HS256","kid":"es256"}', :'ec')),
    ('HS256 with the EC key''s text and a line feed', pg_temp.head('{"alg":"HS256","kid":"es256"}', :'ec' || E'\n')),
    ('RS256 by name, HS256 with the RSA key''s text in truth', pg_temp.head('{"alg":"RS256","kid":"rs256"}', :'rsa')),
    ('ES256 by name, HS256 with the EC key''s text in truth', pg_temp.head('{"alg":"ES256","kid":"es256"}', :'ec')),
    ('kid of an RSA key, HS256', pg_temp.head('{"alg":"HS256","kid":"rs256"}')),
    ('kid of a secret, RS256', concat_ws('.', pg_temp.segment('{"alg":"RS256","kid":"hs"}'), :'rs_payload', :'rs_signature')),
    ('kid of an RSA key, ES256', concat_ws('.', pg_temp.segment('{"alg":"ES256","kid":"rs256"}'), :'rs_payload', :'rs_signature')),
    ('RS512 by name', concat_ws('.', pg_temp.segment('{"alg":"RS512","typ":"JWT","kid":"rs256"}'), :'rs_payload', :'rs_signature')),
    ('PS256 by name', concat_ws('.', pg_temp.segment('{"alg":"PS256","typ":"JWT","kid":"rs256"}'), :'rs_payload', :'rs_signature')),
    ('HS384 by name', pg_temp.head('{"alg":"HS384","kid":"hs"}')),
    ('hs256', pg_temp.head('{"alg":"hs256","kid":"hs"}')),
    ('"HS256 "', pg_temp.head('{"alg":"HS256 ","kid":"hs"}')),
    ('no alg', pg_temp.head('{"kid":"hs"}')),
    ('alg null', pg_temp.head('{"alg":null,"kid":"hs"}')),
    ('alg a number', pg_temp.head('{"alg":256,"kid":"hs"}')),
    ('alg an array', pg_temp.head('{"alg":["HS256"],"kid":"hs"}')),
    ('alg an object', pg_temp.head('{"alg":{"alg":"HS256"},"kid":"hs"}')),
    ('alg in an object', pg_temp.head('{"header":{"alg":"HS256","kid":"hs"}}')),
    ('ALG', pg_temp.head('{"ALG":"HS256","kid":"hs"}'));

-- signatures
INSERT INTO attempt (name, token) VALUES
    ('of another payload', concat_ws('.', :'header', pg_temp.segment('{"sub":"regress-admin","exp":32472144001}'), :'signature')),
    ('of another header', concat_ws('.', pg_temp.segment('{"kid":"hs","alg":"HS256"}'), :'payload', :'signature')),
    ('cut off', concat_ws('.', :'header', :'payload', left(:'signature', 42))),
    ('cut to one byte', concat_ws('.', :'header', :'payload', left(:'signature', 2))),
    ('of zeros', concat_ws('.', :'header', :'payload', pg_temp.segment(decode(repeat('00', 32), 'hex')))),
    ('twice', concat_ws('.', :'header', :'payload', :'signature' || :'signature')),
    ('ES256, r and s zero', concat_ws('.', :'es_header', :'es_payload', pg_temp.segment(decode(repeat('00', 64), 'hex')))),
    ('ES256, r and s the order of the curve', concat_ws('.', :'es_header', :'es_payload',
        pg_temp.segment(decode(repeat('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 2), 'hex')))),
    ('ES256, r and s zero, in ASN.1', concat_ws('.', :'es_header', :'es_payload', pg_temp.segment('\x3006020100020100'::bytea))),
    ('ES256, an RSA signature', concat_ws('.', :'es_header', :'es_payload', :'rs_signature')),
    ('RS256, of zeros', concat_ws('.', :'rs_header', :'rs_payload', pg_temp.segment(decode(repeat('00', 256), 'hex')))),
    ('RS256, one', concat_ws('.', :'rs_header', :'rs_payload', pg_temp.segment(decode(repeat('00', 255) || '01', 'hex')))),
    ('RS256, another payload', concat_ws('.', :'rs_header', :'payload', :'rs_signature'));

-- key ids
INSERT INTO attempt (name, token) VALUES
    ('kid absent, two such keys', pg_temp.head('{"alg":"HS256"}')),
    ('kid unknown', pg_temp.head('{"alg":"HS256","kid":"unknown"}')),
    ('kid in other letters', pg_temp.head('{"alg":"HS256","kid":"HS"}')),
    ('kid with a blank', pg_temp.head('{"alg":"HS256","kid":"hs "}')),
    ('kid with a zero byte', pg_temp.head('{"alg":"HS256","kid":"hs\u0000"}')),
    ('kid empty', pg_temp.head('{"alg":"HS256","kid":""}')),
    ('kid null', pg_temp.head('{"alg":"HS256","kid":null}')),
    ('kid a number', pg_temp.head('{"alg":"HS256","kid":1}')),
    ('kid an array', pg_temp.head('{"alg":"HS256","kid":["hs"]}')),
    ('kid an object', pg_temp.head('{"alg":"HS256","kid":{"kid":"hs"}}')),
    ('kid an injection', pg_temp.head('{"alg":"HS256","kid":"x'' OR ''1''=''1"}'));

-- headers
INSERT INTO attempt (name, token) VALUES
    ('crit', pg_temp.head('{"alg":"HS256","kid":"hs","crit":["exp"]}')),
    ('crit empty', pg_temp.head('{"alg":"HS256","kid":"hs","crit":[]}')),
    ('crit null', pg_temp.head('{"alg":"HS256","kid":"hs","crit":null}')),
    ('crit, b64', pg_temp.head('{"alg":"HS256","kid":"hs","b64":false,"crit":["b64"]}')),
    ('alg twice', pg_temp.head('{"alg":"none","alg":"HS256","kid":"hs"}')),
    ('alg twice, alike', pg_temp.head('{"alg":"HS256","alg":"HS256","kid":"hs"}')),
    ('alg twice, once escaped', pg_temp.head('{"alg":"HS256","\u0061lg":"none","kid":"hs"}')),
    ('kid twice', pg_temp.head('{"alg":"HS256","kid":"other","kid":"hs"}')),
    ('any name twice', pg_temp.head('{"alg":"HS256","kid":"hs","x":1,"x":2}')),
    ('header an array', pg_temp.head('["alg","HS256","kid","hs"]')),
    ('header an array of the object', pg_temp.head('[{"alg":"HS256","kid":"hs"}]')),
    ('header a string', pg_temp.head('"HS256"')),
    ('header a number', pg_temp.head('1')),
    ('header null', pg_temp.head('null')),
    ('header of blanks', pg_temp.head('   ')),
    ('header no JSON', pg_temp.head('{alg:"HS256",kid:"hs"}')),
    ('header with a comma too many', pg_temp.head('{"alg":"HS256","kid":"hs",}')),
    ('header with a comment', pg_temp.head('{"alg":"HS256","kid":"hs"}//')),
    ('header not closed', pg_temp.head('{"alg":"HS256","kid":"hs"')),
    ('two headers', pg_temp.head('{"alg":"HS256","kid":"hs"}{}')),
    ('header with a byte order mark', pg_temp.head(U&'\FEFF{"alg":"HS256","kid":"hs"}')),
    ('control: header nested 32 deep', pg_temp.head('{"alg":"HS256","kid":"hs","x":' || repeat('[', 31) || repeat(']', 31) || '}')),
    ('header nested 33 deep', pg_temp.head('{"alg":"HS256","kid":"hs","x":' || repeat('[', 32) || repeat(']', 32) || '}')),
    ('header nested as deep as fits', pg_temp.head('{"alg":"HS256","kid":"hs","x":' || repeat('[', 2900) || repeat(']', 2900) || '}')),
    ('header nested and never closed', pg_temp.head('{"alg":"HS256","kid":"hs","x":' || repeat('{"x":', 1100))),
    ('header not UTF-8', pg_temp.signed(pg_temp.segment(convert_to('{"alg":"HS256","kid":"hs","x":"', 'UTF8') || '\xff' || convert_to('"}', 'UTF8')) || '.' || :'payload')),
    ('header with a zero byte', pg_temp.signed(pg_temp.segment(convert_to('{"alg":"HS256","kid":"hs"}', 'UTF8') || '\x00') || '.' || :'payload'));

-- payloads
INSERT INTO attempt (name, token) VALUES
    ('payload an array', pg_temp.pay('["sub","regress-admin","exp",32472144000]')),
    ('payload an array of the object', pg_temp.pay('[{"sub":"regress-admin","iat":1600000000,"exp":32472144000}]')),
    ('payload in an object', pg_temp.pay('{"payload":{"sub":"regress-admin","iat":1600000000,"exp":32472144000}}')),
    ('payload a string', pg_temp.pay('"regress-admin"')),
    ('payload a number', pg_temp.pay('32472144000')),
    ('payload null', pg_temp.pay('null')),
    ('payload true', pg_temp.pay('true')),
    ('payload an empty object', pg_temp.pay('{}')),
    ('payload no JSON', pg_temp.pay('sub=regress-admin&exp=32472144000')),
    ('payload in single quotes', pg_temp.pay('{''sub'':''regress-admin'',''exp'':32472144000}')),
    ('payload with a comma too many', pg_temp.pay('{"sub":"regress-admin","iat":1600000000,"exp":32472144000,}')),
    ('two payloads', pg_temp.pay('{"sub":"regress-admin","iat":1600000000,"exp":32472144000}{}')),
    ('payload with a byte order mark', pg_temp.pay(U&'\FEFF{"sub":"regress-admin","iat":1600000000,"exp":32472144000}')),
    ('sub twice', pg_temp.pay('{"sub":"regress-bot","sub":"regress-admin","iat":1600000000,"exp":32472144000}')),
    ('sub twice, once escaped', pg_temp.pay('{"sub":"regress-bot","\u0073ub":"regress-admin","iat":1600000000,"exp":32472144000}')),
    ('exp twice', pg_temp.pay('{"exp":1,"sub":"regress-admin","iat":1600000000,"exp":32472144000}')),
    ('any name twice', pg_temp.pay('{"x":1,"sub":"regress-admin","iat":1600000000,"exp":32472144000,"x":1}')),
    ('control: a name twice in what is nested', pg_temp.pay('{"x":{"y":1,"y":2},"sub":"regress-admin","iat":1600000000,"exp":32472144000}')),
    ('lone surrogate', pg_temp.pay('{"sub":"regress-admin","iat":1600000000,"exp":32472144000,"x":"\ud800"}')),
    ('zero byte in sub', pg_temp.pay('{"sub":"regress-admin\u0000","iat":1600000000,"exp":32472144000}')),
    ('zero byte in a name', pg_temp.pay('{"sub\u0000":1,"sub":"regress-admin","iat":1600000000,"exp":32472144000}')),
    ('control: 32 deep', pg_temp.pay('{"sub":"regress-admin","iat":1600000000,"exp":32472144000,"x":' || repeat('{"x":', 30) || '[]' || repeat('}', 30) || '}')),
    ('33 deep', pg_temp.pay('{"sub":"regress-admin","iat":1600000000,"exp":32472144000,"x":' || repeat('{"x":', 31) || '[]' || repeat('}', 31) || '}')),
    ('as deep as fits', pg_temp.pay('{"sub":"regress-admin","iat":1600000000,"exp":32472144000,"x":' || repeat('[', 2900) || repeat(']', 2900) || '}')),
    ('as deep as fits, never closed', pg_temp.pay(repeat('{"x":', 1100))),
    ('control: brackets in a string', pg_temp.pay('{"sub":"regress-admin","iat":1600000000,"exp":32472144000,"x":"\"\\' || repeat('[', 100) || '"}'));
INSERT INTO attempt (name, token)
    SELECT format('%s%s members', CASE WHEN n = 128 THEN 'control: ' END, n),
           pg_temp.pay('{"sub":"regress-admin","iat":1600000000,"exp":32472144000,' || string_agg(format('"%s":0', i), ',') || '}')
    FROM unnest('{128,129,400}'::integer[]) AS n, generate_series(4, n) AS i GROUP BY n ORDER BY n;
INSERT INTO attempt (name, token)
    SELECT CASE bytes WHEN '\xc3a9' THEN 'control: UTF-8: ' ELSE 'not UTF-8: ' END || bytes::text, pg_temp.signed(:'header' || '.' || pg_temp.segment(
        convert_to('{"sub":"regress-admin","iat":1600000000,"exp":32472144000,"x":"', 'UTF8') || bytes || convert_to('"}', 'UTF8')))
    FROM unnest('{"\\x80","\\xff","\\xc3","\\xc080","\\xe080af","\\xeda080","\\xf4908080","\\xf8888080","\\x00","\\x0a","\\xc3a9"}'::bytea[]) AS bytes;

-- times
INSERT INTO attempt (name, token)
    SELECT coalesce(nullif(claims, ''), 'no exp'), pg_temp.pay(format('{"sub":"regress-admin","iat":1600000000%s}', claims))
    FROM unnest(ARRAY['', ',"exp":null', ',"exp":"32472144000"', ',"exp":"2999-01-01T00:00:00Z"', ',"exp":true', ',"exp":[32472144000]', ',"exp":{"exp":32472144000}',
                      ',"exp":1300819380', ',"exp":1300819380.5', ',"exp":1.3e9', ',"exp":0', ',"exp":-1', ',"exp":-32472144000', ',"exp":1e400', ',"exp":-1e400', ',"exp":1e-400',
                      ',"exp":NaN', ',"exp":Infinity', ',"exp":0x78F68F400', ',"exp":+32472144000', ',"exp":032472144000', ',"exp":32472144000.', ',"exp":""', ',"Exp":32472144000',
                      ',"exp":32472144000,"nbf":32472143000', ',"exp":32472144000,"nbf":32472143000.5', ',"exp":32472144000,"nbf":1e300', ',"exp":32472144000,"nbf":1e400',
                      ',"exp":32472144000,"nbf":-1e400', ',"exp":32472144000,"nbf":"0"', ',"exp":32472144000,"nbf":null', ',"exp":32472144000,"nbf":false', ',"exp":32472144000,"nbf":[]']) AS claims;
INSERT INTO attempt (name, token) VALUES
    ('expired just now', pg_temp.pay(format('{"sub":"regress-admin","iat":1600000000,"exp":%s}', floor(extract(epoch FROM statement_timestamp()))))),
    ('valid in an hour', pg_temp.pay(format('{"sub":"regress-admin","iat":1600000000,"exp":32472144000,"nbf":%s}', floor(extract(epoch FROM statement_timestamp())) + 3600))),
    ('control: valid since now', pg_temp.pay(format('{"sub":"regress-admin","iat":1600000000,"exp":32472144000,"nbf":%s}', floor(extract(epoch FROM statement_timestamp())))));

-- issuer and audience
INSERT INTO attempt (name, token)
    SELECT coalesce(nullif(claims, ''), 'neither issuer nor audience'), pg_temp.pay(format('{"account":"regress-admin","iat":1600000000,"exp":32472144000%s}', claims), 'picky')
    FROM unnest(ARRAY['', ',"aud":"pat"', ',"iss":"https://issuer.example"', ',"iss":"https://issuer.example/","aud":"pat"', ',"iss":"https://issuer.exampl","aud":"pat"',
                      ',"iss":"HTTPS://issuer.example","aud":"pat"', ',"iss":"","aud":"pat"', ',"iss":null,"aud":"pat"', ',"iss":["https://issuer.example"],"aud":"pat"', ',"iss":{},"aud":"pat"',
                      ',"iss":"https://issuer.example","aud":"other"', ',"iss":"https://issuer.example","aud":"pat "', ',"iss":"https://issuer.example","aud":"PAT"',
                      ',"iss":"https://issuer.example","aud":["other"]', ',"iss":"https://issuer.example","aud":[]', ',"iss":"https://issuer.example","aud":[["pat"]]',
                      ',"iss":"https://issuer.example","aud":[{"pat":"pat"}]', ',"iss":"https://issuer.example","aud":{"pat":"pat"}', ',"iss":"https://issuer.example","aud":null',
                      ',"iss":"https://issuer.example","aud":1']) AS claims;
INSERT INTO attempt (name, token) VALUES
    ('control: issuer and audience', pg_temp.pay('{"account":"regress-admin","iat":1600000000,"exp":32472144000,"iss":"https://issuer.example","aud":["pat"]}', 'picky')),
    ('the subject in another claim', pg_temp.pay('{"sub":"regress-admin","iat":1600000000,"exp":32472144000,"iss":"https://issuer.example","aud":["pat"]}', 'picky')),
    ('an audience that we are not', pg_temp.pay('{"sub":"regress-admin","iat":1600000000,"exp":32472144000,"aud":"pat"}')),
    ('an audience of none', pg_temp.pay('{"sub":"regress-admin","iat":1600000000,"exp":32472144000,"aud":[]}')),
    ('an audience of null', pg_temp.pay('{"sub":"regress-admin","iat":1600000000,"exp":32472144000,"aud":null}'));

-- subjects
INSERT INTO attempt (name, token)
    SELECT 'sub ' || subject, pg_temp.pay(format('{"sub":%s,"iat":1600000000,"exp":32472144000}', subject))
    FROM unnest(ARRAY['null', '{}', '{"sub":"regress-admin"}', 'true', 'false', '[]', '["regress-admin"]', '""', '" "', '"unknown"', '"REGRESS-ADMIN"', '"regress-gone"', '-1', '0', '2147483648', '1e2', '"%"', '"regress-admi_"', '"unleash_system_user"', '-1337', '"-1337"']) AS subject;
INSERT INTO attempt (name, token) VALUES
    ('sub the id of a deleted account', pg_temp.pay(format('{"sub":%s,"iat":1600000000,"exp":32472144000}', :gone))),
    ('... as text', pg_temp.pay(format('{"sub":"%s","iat":1600000000,"exp":32472144000}', :gone))),
    ('sub the id of one account and the name of another', pg_temp.pay(format('{"sub":"%s","iat":1600000000,"exp":32472144000}', :admin))),
    ('sub an id and more', pg_temp.pay(format('{"sub":"%s ","iat":1600000000,"exp":32472144000}', :admin))),
    ('no sub', pg_temp.pay('{"iat":1600000000,"exp":32472144000}')),
    ('Sub', pg_temp.pay('{"Sub":"regress-admin","iat":1600000000,"exp":32472144000}')),
    ('control: sub a number', pg_temp.pay(format('{"sub":%s,"iat":1600000000,"exp":32472144000}', :admin)));

-- the form
INSERT INTO attempt (name, token) VALUES
    ('one segment', :'header'),
    ('two segments', concat_ws('.', :'header', :'payload')),
    ('two segments and a dot', concat_ws('.', :'header', :'payload', '')),
    ('four segments', :'good' || '.AA'),
    ('a dot behind', :'good' || '.'),
    ('a dot before', '.' || :'good'),
    ('five segments (JWE)', concat_ws('.', pg_temp.segment('{"alg":"dir","enc":"A128GCM","kid":"hs"}'), 'AAAA', 'AAAA', :'payload', :'signature')),
    ('five segments, the first three good', :'good' || '.AAAA.AAAA'),
    ('no header', concat_ws('.', '', :'payload', :'signature')),
    ('no payload', pg_temp.signed(:'header' || '.')),
    ('only dots', '..'),
    ('JSON serialization', format('{"protected":"%s","payload":"%s","signature":"%s"}', :'header', :'payload', :'signature')),
    ('general JSON serialization', format('{"payload":"%s","signatures":[{"protected":"%s","signature":"%s"}]}', :'payload', :'header', :'signature')),
    ('padded signature', :'good' || '='),
    ('padded payload', pg_temp.signed(concat_ws('.', :'header', :'payload' || '='))),
    ('padded header', pg_temp.signed(concat_ws('.', :'header' || '=', :'payload'))),
    ('line feed in the header', pg_temp.signed(concat_ws('.', overlay(:'header' PLACING E'\n' FROM 5 FOR 0), :'payload'))),
    ('line feed in the payload', pg_temp.signed(concat_ws('.', :'header', overlay(:'payload' PLACING E'\r\n' FROM 5 FOR 0)))),
    ('line feed in the signature', concat_ws('.', :'header', :'payload', overlay(:'signature' PLACING E'\n' FROM 5 FOR 0))),
    ('blank behind a dot', concat_ws('.', :'header', :'payload', ' ' || :'signature')),
    ('percent encoding', replace(:'good', '.', '%2E')),
    ('another character', pg_temp.signed(concat_ws('.', :'header', :'payload' || '!'))),
    ('a character beyond ASCII', pg_temp.signed(concat_ws('.', :'header', :'payload' || 'é'))),
    ('two tokens', :'good' || ',' || :'good'),
    ('Bearer twice', 'Bearer Bearer ' || :'good'),
    ('Basic', 'Basic ' || :'good'),
    ('quoted', '"' || :'good' || '"'),
    ('control: Bearer', E' \tbearer  ' || :'good' || E'\r\n');
-- '-' and '_' have other names in the alphabet of plain base64
WITH h (header) AS (SELECT pg_temp.segment('{"alg":"HS256","kid":"hs","x":"??>>~~"}'))
INSERT INTO attempt (name, token)
    SELECT name, pg_temp.signed(translate(header, '-_', alphabet) || '.' || :'payload')
    FROM h, (VALUES ('control: - and _', '-_'), ('+', '+_'), ('/', '-/')) AS v (name, alphabet)
    WHERE header ~ '-' AND header ~ '_';
-- the last character of two or three holds bits that stand for nothing: '=' is for those that are not 0
CREATE FUNCTION pg_temp.stray(segment text) RETURNS text LANGUAGE sql AS $$
    SELECT left(segment, -1) || substr('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_',
        strpos('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_', right(segment, 1)) + 1, 1)
$$;
INSERT INTO attempt (name, token)
    SELECT format(name, part, length(part) % 4), token
    FROM (SELECT n, pg_temp.segment('{"kid":"hs","alg":"HS256"}' || repeat(' ', n)), pg_temp.segment('{"sub":"regress-admin","iat":1600000000,"exp":32472144000}' || repeat(' ', n))
          FROM generate_series(0, 2) AS n) AS w (n, header, payload),
    LATERAL (VALUES (1, 'control: header of %2$s mod 4', header, pg_temp.signed(concat_ws('.', header, :'payload'))),
                    (2, 'stray bits in a header of %2$s mod 4', header, pg_temp.signed(concat_ws('.', pg_temp.stray(header), :'payload'))),
                    (3, 'control: payload of %2$s mod 4', payload, pg_temp.signed(concat_ws('.', :'header', payload))),
                    (4, 'stray bits in a payload of %2$s mod 4', payload, pg_temp.signed(concat_ws('.', :'header', pg_temp.stray(payload)))),
                    (5, 'a payload of 1 mod 4', payload, pg_temp.signed(concat_ws('.', :'header', payload || 'A')))) AS v (i, name, part, token)
    WHERE CASE i WHEN 2 THEN length(part) % 4 > 0 WHEN 4 THEN length(part) % 4 > 0 WHEN 5 THEN length(part) % 4 = 0 ELSE true END
    ORDER BY i, n;
INSERT INTO attempt (name, token) VALUES
    ('stray bits in the signature', concat_ws('.', :'header', :'payload', pg_temp.stray(:'signature')));

-- the size
CREATE FUNCTION pg_temp.sized(size integer) RETURNS text LANGUAGE sql AS $$
    SELECT token FROM generate_series(0, 3) AS h, generate_series(GREATEST(size - 200, 0) * 3 / 4 - 60, GREATEST(size - 200, 0) * 3 / 4 + 60) AS p,
        LATERAL (SELECT pg_temp.segment('{"alg":"HS256","kid":"hs","x":"' || repeat('x', h) || '"}') || '.'
                        || pg_temp.segment('{"sub":"regress-admin","iat":1600000000,"exp":32472144000,"x":"' || repeat('x', p) || '"}')) AS s (signed),
        LATERAL (SELECT pg_temp.signed(signed) WHERE length(signed) = size - 44) AS t (token)
    LIMIT 1
$$;
INSERT INTO attempt (name, token) VALUES
    ('control: 8192 bytes', pg_temp.sized(8192)),
    ('8193 bytes', pg_temp.sized(8193)),
    ('control: Bearer and 8192 bytes', 'Bearer ' || pg_temp.sized(8192)),
    ('10 kB', pg_temp.pay('{"sub":"regress-admin","iat":1600000000,"exp":32472144000,"x":"' || repeat('x', 7500) || '"}')),
    ('1 MB', pg_temp.pay('{"sub":"regress-admin","iat":1600000000,"exp":32472144000,"x":"' || repeat('x', 786000) || '"}')),
    ('1 MB of dots', repeat('.', 1048576)),
    ('1 MB of one segment', :'good' || repeat('A', 1048576));
SELECT name, length(token) FROM attempt WHERE name ~ 'bytes|B' AND name !~ '"' AND length(token) > 8000;

-- none but the controls gets a list
CREATE FUNCTION pg_temp.outcome(attempt text, token text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    EXECUTE attempt USING token;
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' ', SQLSTATE, detail, SQLERRM);
END
$$;
CREATE TEMP TABLE result AS
    SELECT id, name, token, pg_temp.outcome(format('SELECT pat_list_for_service_account(%s, $1)', :bot), token) AS list,
           pg_temp.outcome('SELECT pat_caller($1)', token) AS caller,
           pg_temp.outcome(format('SELECT pat_create_for_service_account(%L, ''{"description":"x","expiresAt":"2999-01-01T00:00:00Z"}'', $1)', :bot), token) AS create,
           pg_temp.outcome('SELECT 1 / count(pat_jwt_account($1, statement_timestamp()))', trimmed) AS account
    FROM attempt, LATERAL (SELECT regexp_replace(token, '^\s*bearer\s+|\s+$', '', 'gi')) AS s (trimmed) ORDER BY id;
SELECT name, CASE list WHEN 'PT401 AuthenticationRequired You must log in to use Unleash.' THEN 'refused' ELSE list END AS outcome
FROM result ORDER BY id;
-- whichever function is asked, and whatever is wrong
SELECT name LIKE 'control:%' AS control, list, caller, regexp_replace("create", '^PT409.*', 'accepted') AS "create", account = 'accepted' AS account, count(*)
FROM result GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5;

-- a key with the wrong curve or type that came into the table by other ways fits nothing
UPDATE pat_jwt_key SET algorithm = 'HS256', key = convert_to(:'rsa', 'UTF8') WHERE kid = 'es256';
UPDATE pat_jwt_key SET key = convert_to(:'ec', 'UTF8') WHERE kid = 'rs256';
SELECT pg_temp.outcome('SELECT pat_caller($1)', :'rs256') AS rs256, pg_temp.outcome('SELECT pat_caller($1)', :'es256') AS es256;
UPDATE pat_jwt_key SET algorithm = 'ES384' WHERE kid = 'rs256';
SELECT pg_temp.outcome('SELECT pat_caller($1)', concat_ws('.', pg_temp.segment('{"alg":"ES384","kid":"rs256"}'), :'es_payload', split_part(:'es256', '.', 3))) AS es384;
-- nor does a damaged one
UPDATE pat_jwt_key SET algorithm = 'RS256', key = convert_to('-----BEGIN PUBLIC KEY-----', 'UTF8') WHERE kid = 'rs256';
SELECT pg_temp.outcome('SELECT pat_caller($1)', :'rs256') AS rs256;

-- without any key there is no caller, and no other error
DELETE FROM pat_jwt_key;
SELECT pg_temp.outcome('SELECT pat_caller($1)', :'good') AS no_key, pg_temp.outcome('SELECT pat_caller($1)', '') AS nothing;
SELECT count(*) AS seen FROM pat_token WHERE seen_at IS NOT NULL;
ROLLBACK;
