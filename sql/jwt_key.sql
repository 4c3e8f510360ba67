-- Keys that may sign caller tokens: what a key must be, what the owner does with keys, and that
-- each change counts at once in the session that makes it.
BEGIN;
\set ON_ERROR_ROLLBACK on
SET LOCAL TIME ZONE 'UTC';

CREATE FUNCTION pg_temp.pem(der bytea) RETURNS bytea LANGUAGE sql AS $$
    SELECT convert_to(E'-----BEGIN PUBLIC KEY-----\n' || encode(der, 'base64') || E'\n-----END PUBLIC KEY-----\n', 'UTF8')
$$;
-- A value of ASN.1's distinguished encoding that is longer than 255 bytes.
CREATE FUNCTION pg_temp.der(tag bytea, content bytea) RETURNS bytea LANGUAGE sql AS $$
    SELECT tag || '\x82'::bytea || substr(int4send(octet_length(content)), 3) || content
$$;
-- A public key with the exponent 65537 and a modulus that is no product of primes that anybody has.
CREATE FUNCTION pg_temp.rsa(modulus bytea) RETURNS bytea LANGUAGE sql AS $$
    SELECT pg_temp.pem(pg_temp.der('\x30', '\x300d06092a864886f70d0101010500'
        || pg_temp.der('\x03', '\x00' || pg_temp.der('\x30', pg_temp.der('\x02', '\x00' || modulus) || '\x0203010001'))))
$$;
CREATE FUNCTION pg_temp.ones(n integer) RETURNS bytea LANGUAGE sql AS $$ SELECT decode(repeat('ff', n), 'hex') $$;

-- Made for this test with openssl; the keys of no one.
CREATE TEMP TABLE sample (id serial, name text, key bytea);
INSERT INTO sample (name, key) VALUES
    ('P-256', '-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEBFGPZ+h7DgFOleLgLcpIdL69/TWV
2T6LJXpOc0kYYIy03JIqQymNyJA7ZA3vprE/qM7m8b/KH78x29kwiGzy1A==
-----END PUBLIC KEY-----'),
    ('P-384', '-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEwNRSM3OKLNSuYQTEVSsjg6EekSTUWEh0
ddyBPntSOc8QwHpYoZMAFHzmNVQuwiOHK5LAz5+tXo+LFCrQjItTBbxd87iDkclH
jtQyytx79HL8emRHncPANcGWR1lmpTpD
-----END PUBLIC KEY-----'),
    ('P-521', '-----BEGIN PUBLIC KEY-----
MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQBl5+LgBG4SPTeO+pftMnbxpunLPnO
WmZuZTJYu9nMGZZX+nfYaqd5/kG2sqUVgvhmFpaAaWcjcW1O8cjRQf6xqNYBGH+X
LoBwPHxtGK6Q7RRywgLGEIXOgPta2ZlYmnTqQvKEKuBlTx0+BZtMIKKEH4yt5576
VaZOEREln/qez4J/wJ8=
-----END PUBLIC KEY-----'),
    ('secp256k1', '-----BEGIN PUBLIC KEY-----
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEr70/OuLL3gbqBXiJ91o10W7rAyLTB1IP
6FvKwby0g0MFbxXhwL8TwJSgFRCDv7x2r6Tz1GwYi7bGNnRhTDrkVQ==
-----END PUBLIC KEY-----'),
    ('Ed25519', '-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA5UAq+0KXxTPgZpgVB7Qn20iFq7d4ZNFSxKv+dZtrcuk=
-----END PUBLIC KEY-----'),
    ('RSA-PSS only', '-----BEGIN PUBLIC KEY-----
MIIBIDALBgkqhkiG9w0BAQoDggEPADCCAQoCggEBAMxUIBKHAApupBcVMglboZfq
HO0Qua1tBJQHeOMvxY8qAR/j37NBPp4/IXO5abpCjiPbwlXIykw7dPB8GqoTGZtg
s3772TogIrWYqzW8IEp9RxuBLUuFPVhm+zrX1pZroULcNpIXE/HskVeF6/3/i14p
yOuw1L7Zb/Nh5XK8Fqf9X7NWLC/mNeT5QckPpiRZCP4TMYL5vLhmJ7Rod0PDMAcR
HgyXH4+2HCtpKd2DKiXd0Q3bp0nAqMBDsPFueEoINP1bT17OLnNfPrtlOSF9K18N
z/0p6H/BoucJNG0soWzNxF9gwkpdqqnaesCb9fohWHr5yw2JlsA1X68cpesC/xsC
AwEAAQ==
-----END PUBLIC KEY-----'),
    ('certificate', '-----BEGIN CERTIFICATE-----
MIIBfTCCASOgAwIBAgIUBsAkOW3tOgOZzaQ1UDrWcdNFpBkwCgYIKoZIzj0EAwIw
EzERMA8GA1UEAwwIcGF0LXRlc3QwIBcNMjYxMTI0MDI1OTUwWhgPMjEyNjEwMzEw
MjU5NTBaMBMxETAPBgNVBAMMCHBhdC10ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAEBFGPZ+h7DgFOleLgLcpIdL69/TWV2T6LJXpOc0kYYIy03JIqQymNyJA7
ZA3vprE/qM7m8b/KH78x29kwiGzy1KNTMFEwHQYDVR0OBBYEFPBHoxhToX1gcqKw
gStdppnk9gVpMB8GA1UdIwQYMBaAFPBHoxhToX1gcqKwgStdppnk9gVpMA8GA1Ud
EwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhAOPZ6RnuAK0acjquVr32wmE3
9UBA1odNJCL5Mt9hCVj0AiB3x+W5cIUHJUlL3cRGqzgGR25tWNCm2SL6VOPZjmZx
mg==
-----END CERTIFICATE-----'),
    ('private key', '-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgavfSHMc6TrztdbRm
lUL0t9xKgXbg7wGN1pH7xd9WPXuhRANCAAQEUY9n6HsOAU6V4uAtykh0vr39NZXZ
Poslek5zSRhgjLTckipDKY3IkDtkDe+msT+ozubxv8ofvzHb2TCIbPLU
-----END PRIVATE KEY-----'),
    ('private key of the older form', '-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIGr30hzHOk687XW0ZpVC9LfcSoF24O8BjdaR+8XfVj17oAoGCCqGSM49
AwEHoUQDQgAEBFGPZ+h7DgFOleLgLcpIdL69/TWV2T6LJXpOc0kYYIy03JIqQymN
yJA7ZA3vprE/qM7m8b/KH78x29kwiGzy1A==
-----END EC PRIVATE KEY-----'),
    ('under a pass phrase', '-----BEGIN PUBLIC KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-256-CBC,6FB56D6DFBF8EDE48B09687A397ECCFB

qf2awfQ6zdGlgyNqhT3yy9eOXUAArrtZVQQRSL0TEhISsMX77jQUCt7FISVK8zc+
NZz3k9uf395LZk+pJgANR0oxMlyIi5nYftsD+X97z/cLwpPjbRHpj6VnCtUu03tW
B9v8WRZLSYFhnt7WY8k9JZjKqHfGc69c9PSWBBaJumajajG+nugOp3Bkn/Ajay3A
-----END PUBLIC KEY-----'),
    ('no PEM', 'a secret that is rather long, but no key in PEM form at all'),
    ('nothing in the PEM', E'-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n');
INSERT INTO sample (name, key) SELECT 'private key, then the public one', p.key || E'\n' || s.key
    FROM sample p, sample s WHERE p.name = 'private key' AND s.name = 'P-256';
INSERT INTO sample (name, key) SELECT 'cut off', substr(key, 1, 100) FROM sample WHERE name = 'P-256';
INSERT INTO sample (name, key) VALUES
    ('RSA, 1024 bits', '-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDCqrepgjj13syt+gJwPSqpv5oC
RDulDMwUYV2RvcpuQ0MfS+uBodHIaWh2qtB6UGC/OFuSdHaJuxtYtMxU4HuFGyB3
BFQskD4nzbCGmvWkf/EZWJXkH+Vp99NKml8yaqEi6xeGuiMGZGtWA4A3rZhmd2+0
ShvuwS9W8MtZyYKjHQIDAQAB
-----END PUBLIC KEY-----'),
    ('RSA, 2047 bits', pg_temp.rsa('\x7f' || pg_temp.ones(255))),
    ('RSA, 2048 bits', pg_temp.rsa(pg_temp.ones(256))),
    ('RSA, 16384 bits', pg_temp.rsa(pg_temp.ones(2048))),
    ('RSA, 16385 bits', pg_temp.rsa('\x01' || pg_temp.ones(2048)));

-- which key goes with which algorithm
SELECT s.name, a.algorithm, pat_jwt_key_problem(a.algorithm, s.key)
FROM sample s, unnest('{RS256,ES256,ES384,ES512}'::text[]) WITH ORDINALITY a (algorithm, place)
ORDER BY s.id, a.place;
SELECT bool_and(pat_jwt_key_problem('RS384', key) IS NOT DISTINCT FROM pat_jwt_key_problem('RS256', key)
            AND pat_jwt_key_problem('RS512', key) IS NOT DISTINCT FROM pat_jwt_key_problem('RS256', key)) AS all_rsa_alike
FROM sample;
-- no key in PEM form is a secret, wherever in the text it stands
SELECT name, pat_jwt_key_problem('HS256', key) FROM sample ORDER BY id;
SELECT pat_jwt_key_problem('HS256', E'\n\n  ' || key) FROM sample WHERE name = 'P-256';
SELECT algorithm, length, pat_jwt_key_problem(algorithm, pg_temp.ones(length))
FROM (VALUES ('HS256', 0), ('HS256', 31), ('HS256', 32), ('HS384', 32), ('HS384', 47), ('HS384', 48),
             ('HS512', 48), ('HS512', 63), ('HS512', 64), ('HS256', 4096)) AS v (algorithm, length);
SELECT name, pat_jwt_key_problem(name, pg_temp.ones(64))
FROM unnest('{none,None,"",hs256,HS1,"HS256 ",PS256,EdDSA,ES256K}'::text[]) AS name;

-- what the owner may add
SELECT pat_add_jwt_key(NULL, 'HS256', pg_temp.ones(32));
SELECT pat_add_jwt_key('', 'HS256', pg_temp.ones(32));
SELECT pat_add_jwt_key(repeat('k', 256), 'HS256', pg_temp.ones(32));
SELECT pat_add_jwt_key('k', NULL, pg_temp.ones(32));
SELECT pat_add_jwt_key('k', 'none', pg_temp.ones(32));
SELECT pat_add_jwt_key('k', 'HS256', NULL::bytea);
SELECT pat_add_jwt_key('k', 'HS256', NULL::text);
SELECT pat_add_jwt_key('k', 'HS256', '');
SELECT pat_add_jwt_key('k', 'HS256', pg_temp.ones(31));
SELECT pat_add_jwt_key('k', 'HS256', pg_temp.ones(16385));
SELECT pat_add_jwt_key('k', 'HS256', pg_temp.ones(32), subject_claim => NULL);
SELECT pat_add_jwt_key('k', 'HS256', pg_temp.ones(32), subject_claim => '');
SELECT pat_add_jwt_key('k', 'HS256', pg_temp.ones(32), subject_claim => repeat('s', 256));
SELECT pat_add_jwt_key('k', 'ES384', key) FROM sample WHERE name = 'P-256';
SELECT count(*) AS keys FROM pat_list_jwt_keys();
SELECT pat_add_jwt_key('schlüssel-☃', 'HS256', repeat('é', 16));
SELECT pat_add_jwt_key(repeat('k', 255), 'HS384', pg_temp.ones(16384), 'issuer', 'audience', repeat('s', 255));
SELECT pat_add_jwt_key('ec', 'ES256', convert_from(key, 'UTF8'), subject_claim => 'name') FROM sample WHERE name = 'P-256';
SELECT pat_add_jwt_key('ec', 'ES256', key) FROM sample WHERE name = 'P-256';
SELECT pat_add_jwt_key('ec', 'HS256', pg_temp.ones(32));
-- of text, the bytes of UTF-8 count
SELECT key = convert_to(repeat('é', 16), 'UTF8') AS bytes FROM pat_jwt_key WHERE kid = 'schlüssel-☃';

-- a list never shows what a key is
SELECT left(kid, 20) AS kid, algorithm, issuer, audience, left(subject_claim, 20) AS subject_claim,
       created_at = now() AS created_now, retired_at
FROM pat_list_jwt_keys();
SELECT DISTINCT key FROM (SELECT (json_each_text(row_to_json(k))).key FROM pat_list_jwt_keys() k) AS columns ORDER BY 1;

-- what the owner may retire and delete
SELECT pat_retire_jwt_key('ec');
SELECT pat_retire_jwt_key('ec');
SELECT pat_retire_jwt_key('unknown');
SELECT pat_retire_jwt_key(NULL);
SELECT pat_add_jwt_key('ec', 'HS256', pg_temp.ones(32));
SELECT left(kid, 20) AS kid, retired_at = now() AS retired_now FROM pat_list_jwt_keys();
SELECT pat_delete_jwt_key('ec');
SELECT pat_delete_jwt_key('ec');
SELECT pat_delete_jwt_key('schlüssel-☃');
SELECT pat_delete_jwt_key(NULL);
SELECT left(kid, 20) AS kid FROM pat_list_jwt_keys();

-- the audit trail tells what was done, and no key
SELECT type, created_by, token_id, replace(data::text, repeat('k', 255), 'k...') AS data
FROM (SELECT type, created_by, token_id, replace(data::text, repeat('s', 255), 's...') AS data, id FROM pat_event) AS e
WHERE type LIKE 'jwt-key-%' ORDER BY id;

-- each change counts from the next look-up on, and so does taking it back
SELECT pat_create_account('regress-jwt') AS account \gset
UPDATE pat_account SET created_at = '2020-01-01 00:00+00' WHERE id = :account;
CREATE FUNCTION pg_temp.token(secret text) RETURNS text LANGUAGE sql AS $$
    SELECT pat_jwt_sign('{"sub":"regress-jwt","iat":1600000000,"exp":32472144000}', secret)
$$;
CREATE FUNCTION pg_temp.fits() RETURNS TABLE (a boolean, b boolean) LANGUAGE sql AS $$
    SELECT pat_jwt_account(pg_temp.token(repeat('a', 32)), now()) IS NOT NULL,
           pat_jwt_account(pg_temp.token(repeat('b', 32)), now()) IS NOT NULL
$$;
SELECT * FROM pg_temp.fits();
SELECT pat_add_jwt_key('a', 'HS256', repeat('a', 32));
SELECT * FROM pg_temp.fits();
SAVEPOINT s;
SELECT pat_retire_jwt_key('a');
SELECT * FROM pg_temp.fits();
SELECT pat_add_jwt_key('b', 'HS256', repeat('b', 32));
SELECT * FROM pg_temp.fits();
ROLLBACK TO s;
SELECT * FROM pg_temp.fits();
-- two keys of the algorithm: a token without kid names neither
SELECT pat_add_jwt_key('b', 'HS256', repeat('b', 32));
SELECT * FROM pg_temp.fits();
SELECT pat_retire_jwt_key('a');
SELECT * FROM pg_temp.fits();
-- keys of other algorithms do not matter
SELECT pat_add_jwt_key('c', 'HS384', repeat('c', 48));
SELECT pat_add_jwt_key('d', 'ES256', key) FROM sample WHERE name = 'P-256';
SELECT * FROM pg_temp.fits();
-- whoever changes the table, and however
UPDATE pat_jwt_key SET retired_at = NULL WHERE kid = 'a';
DELETE FROM pat_jwt_key WHERE kid = 'b';
SELECT * FROM pg_temp.fits();
UPDATE pat_jwt_key SET key = convert_to(repeat('b', 32), 'UTF8') WHERE kid = 'a';
SELECT * FROM pg_temp.fits();
SET LOCAL session_replication_role = replica;
UPDATE pat_jwt_key SET key = convert_to(repeat('a', 32), 'UTF8') WHERE kid = 'a';
SELECT * FROM pg_temp.fits();
SAVEPOINT s;
TRUNCATE pat_jwt_key;
SELECT * FROM pg_temp.fits();
ROLLBACK TO s;
SELECT * FROM pg_temp.fits();
-- more keys than a first copy has room for
SET LOCAL session_replication_role = origin;
SELECT count(*) FROM generate_series(1, 50) AS i, pat_add_jwt_key('more-' || i, 'HS512', repeat(chr(64 + i), 64));
SELECT * FROM pg_temp.fits();
-- a key stored out of line
SELECT string_agg(md5(i::text), '') AS long FROM generate_series(1, 512) AS i \gset
SELECT pat_retire_jwt_key(kid) FROM pat_list_jwt_keys() WHERE algorithm = 'HS384';
SELECT pat_add_jwt_key('long', 'HS384', :'long');
SELECT octet_length(key), pat_jwt_account(pat_jwt_sign('{"sub":"regress-jwt","iat":1600000000,"exp":32472144000}', :'long', 'HS384'), now()) = :account AS fits
FROM pat_jwt_key WHERE kid = 'long';
-- and one stored compressed
UPDATE pat_jwt_key SET key = convert_to(repeat('key', 2000), 'UTF8') WHERE kid = 'long';
SELECT pg_column_size(key) < octet_length(key) AS compressed, pat_jwt_account(pat_jwt_sign('{"sub":"regress-jwt","iat":1600000000,"exp":32472144000}', repeat('key', 2000), 'HS384'), now()) = :account AS fits
FROM pat_jwt_key WHERE kid = 'long';

-- keys are the owner's alone
CREATE ROLE regress_pat_signer;
SELECT pat_grant_api('regress_pat_signer');
SELECT p.oid::regprocedure FROM pg_proc p
WHERE p.proname LIKE 'pat%jwt%' AND has_function_privilege('regress_pat_signer', p.oid, 'EXECUTE');
SELECT has_table_privilege('regress_pat_signer', 'pat_jwt_key', 'SELECT,INSERT,UPDATE,DELETE') AS reads_keys;
ROLLBACK;
