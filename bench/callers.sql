-- Callers of each kind, for what their credentials cost. The public keys and the tokens signed with
-- their private halves (which nobody has kept) were made once:
--   openssl genpkey, openssl dgst -sha256 -sign over header.payload; header {"alg","typ":"JWT","kid"},
--   payload {"sub":"bench-jwt","exp":32472144000}, which is in the year 2999; ES256: r and s as 64 bytes.

SELECT pat_create_account('bench-jwt', root_role => 1);
SELECT pat_add_jwt_key('bench-hs256', 'HS256', repeat('b', 32));
SELECT pat_add_jwt_key('bench-rs256', 'RS256', '-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsZAsHxM7l0JuCPRY58gz
dCEt06IbRlm7n/QSWMXwGRrnOI/JVsqr5rCb7ezv5QbfadR0i236cXlfvTY/mdbd
pM1eJGeytTl3qDnlXIK0ssQJgLa2B0oJVnbFPwvxFYflp/QnGfqED/0SHhFTN9ec
ylMCZM4M7AZKJA/wffBsfVTg9PU4dfwNuEnys0WipHXpz3ZJWOPZ6LXoWL23+ZBx
a4R+db0WeCzWb6Z2KV8dWNttyzhXIct+NGtSRaWz9Jge/aAUqVTkx/oynQaYZMpm
ppyzqGomT/7QMn7gtVso+Cv4WF32UZGQgPVihNX+I+tAl/WUx7cTznLTqzIuUNw1
rwIDAQAB
-----END PUBLIC KEY-----');
SELECT pat_add_jwt_key('bench-es256', 'ES256', '-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEkEoHZvOJZPK+by6uNZytmzTOksoF
F2dFyWjc+E4ZdP7Y8OLMUxBcXuyINm0oCUJyqsT/9kD+FxNwsspHrLWRMw==
-----END PUBLIC KEY-----');

CREATE TABLE bench_credential (kind text, credential text);
INSERT INTO bench_credential VALUES
    ('opaque token', '*:*.bench-admin'),
    ('JWT HS256', pat_jwt_sign('{"sub":"bench-jwt","exp":32472144000}', repeat('b', 32))),
    ('JWT RS256', 'eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImJlbmNoLXJzMjU2In0.eyJzdWIiOiJiZW5jaC1qd3QiLC'
    'JleHAiOjMyNDcyMTQ0MDAwfQ.DshoOCjI-8hG0NhlXm-lQB5aisRBVOzmK5lrAAJMdvH5Am8mv07Ym4LjxM8wfZIZ_'
    'z-kog_W_COFIbPDGEAl-DIXXYrhGa8aXD1x8rZBikG-mb70CbKdU7TZtjr6t_oMD0rTulOxUR6VrDnHxVbUArqHwHv'
    'ReiHxEMXopi3qtDUsC8ERETYWjrVEvNMX5zBkWeqrMWxApaNFNhqEFSviL_9zpdGY7CzgmOmYwgFfdbkc5GFit7J1W'
    'zJW8ugIKIJDl-unGhopSHoTdH_DiZN8WWKT8CiFDUNZfyvzVWOXEhZ-xJk1G7kHEhdOzIXnRljfx3kIpsAKRGPyVsk'
    'D3OHxtw'),
    ('JWT ES256', 'eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImJlbmNoLWVzMjU2In0.eyJzdWIiOiJiZW5jaC1qd3QiLC'
    'JleHAiOjMyNDcyMTQ0MDAwfQ.rq1HQW3520TVTbdmb4KrxI_2U9w06I_hdIJz179_cs8ZRSickbXg85WNKbAERu6R3'
    'bWYZBYre39Pdly2o2P--g');

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
