-- Callers of each kind, for what their credentials cost. The public keys and the tokens signed with
-- their private halves (which nobody has kept) were made once:
--   openssl genpkey, openssl dgst -sha256 -sign over header.payload; header {"alg","typ":"JWT","kid"},
--   payload {"sub":"bench-jwt","iat":1600000000,"exp":32472144000}, from 2020 to the year 2999; ES256: r and s as 64 bytes.

SELECT pat_create_account('bench-jwt', root_role => 1);
-- older than the tokens
UPDATE pat_account SET created_at = '2020-01-01 00:00+00' WHERE username = 'bench-jwt';
SELECT pat_add_jwt_key('bench-hs256', 'HS256', repeat('b', 32));
SELECT pat_add_jwt_key('bench-rs256', 'RS256', '-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA20b7qKddCl8Bb+UKdXzl
5vu+m1ZKlbiWOiY0Ph0UWU6wLxdTqDeBnKYAkoMnmmyh2qSOD+NlRkEqTrlX8JIU
M+NLV0ShmkHA1SUOyi3hJyBMWGRc2HGbZ4k81s42b9SiSUegQT0Iqe+HfmSMbzbo
uymntjIGJLMWvVqTjsQntXmiK/LZUAw8JoVcVKgsbllehg++GfG4hC2QtQFPxU3Q
lZZv3sdkfG05xOFomzvfbN8AV4pVgnZvdpmX3otwK8aKJfGTF/zlQcrPavtQOwNC
mFsjkpyc4aP4p2+6zBoKbWA4bBdUFDxsa5DRKhSvICeLzqittsArJwZPkfu6I1yB
5QIDAQAB
-----END PUBLIC KEY-----');
SELECT pat_add_jwt_key('bench-es256', 'ES256', '-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYD5bhvs2USCGtOgPvI97/x2We7Tg
5CkRsGlsthJ1+p55ZY9MI6w2Mcj4u2TDl7IHFq6kThfPASpyUBXDcVmhgA==
-----END PUBLIC KEY-----');

CREATE TABLE bench_credential (kind text, credential text);
INSERT INTO bench_credential VALUES
    ('opaque token', '*:*.bench-admin'),
    ('JWT HS256', pat_jwt_sign('{"sub":"bench-jwt","iat":1600000000,"exp":32472144000}', repeat('b', 32))),
    ('JWT RS256', 'eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImJlbmNoLXJzMjU2In0.eyJzdWIiOiJiZW5jaC1qd3QiLC'
    'JpYXQiOjE2MDAwMDAwMDAsImV4cCI6MzI0NzIxNDQwMDB9.xFFEJdXxbg60YHSV4UetEOCnaxZvnXel27R4IIyxGRM'
    'a04A4C_UH03dJCjRF1lUirT6A-7y8w1p6IwmT1BLPwSz_5CT3UvsieWiw2WFqPp5qe9AcIyO0LNtWsHNecrXXDZgMW'
    'ehOPZMXPxqtRFnKFF6oiewqRabTWi2pVrqj-DJb9T15TgAnugb2czR6udUAnrXGL1jLM722BfQMJ-q7wXV7HRmpkRI'
    'ODdipkWQla5uSfLLP9_lmbepQlRGgOqW6TawQtsb4xjxQ2xQu482jArci5XbPOrxWcJVvkNiDcpg05OnPf7DPKsG4J'
    'VkA_UINL5vXAxv2k2bFroIETAfMnQ'),
    ('JWT ES256', 'eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImJlbmNoLWVzMjU2In0.eyJzdWIiOiJiZW5jaC1qd3QiLC'
    'JpYXQiOjE2MDAwMDAwMDAsImV4cCI6MzI0NzIxNDQwMDB9.4l8rRIsul3L25xFIwY-Xva--AD5cB-7y2Mgiyipfjk8'
    'Rsuc4Fqv2ONsU7q2mnkMoqYaJEEp0XX4D3w0FcHcH4Q');

CREATE FUNCTION bench_caller_microseconds(kind text, calls integer)
    RETURNS double precision LANGUAGE plpgsql AS
$$
DECLARE
    credential text;
    started timestamptz;
    done bigint;
BEGIN
    SELECT c.credential INTO STRICT credential FROM bench_credential c WHERE c.kind = $1;
    started := clock_timestamp();
    SELECT count(pat_caller(credential)) INTO done FROM generate_series(1, $2);
    RETURN extract(epoch FROM clock_timestamp() - started) * 1e6 / done;
END
$$;
