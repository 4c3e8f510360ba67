-- Token text: shape, checksum, hash.
SELECT pat_new_token_text(false) ~ '^user:[0-9A-Za-z]{49}$' AS personal,
       pat_new_token_text(true) ~ '^\*:\*\.[0-9A-Za-z]{49}$' AS admin;

-- no two are the same, and each digit takes each value
SELECT count(DISTINCT t) FROM (SELECT pat_new_token_text(false) AS t FROM generate_series(1, 1000)) s;
SELECT count(DISTINCT c) AS digits
FROM (SELECT regexp_split_to_table(substr(pat_new_token_text(false), 7, 42), '') AS c
      FROM generate_series(1, 200)) s;

-- what we write, we take; CRC-32 of 'user:' and 43 zeros, by another's reckoning
SELECT bool_and(pat_token_is_usable(pat_new_token_text(i % 2 = 0))) FROM generate_series(1, 1000) i;
SELECT pat_token_is_usable('user:' || repeat('0', 43) || '3oazTG') AS fits,
       pat_token_is_usable('user:' || repeat('0', 43) || '3oazTH') AS does_not;

-- each single wrong character and each swap of neighbours is found
WITH t AS (SELECT pat_new_token_text(false) AS token FROM generate_series(1, 20))
SELECT count(*) FILTER (WHERE pat_token_is_usable(overlay(token PLACING c FROM p FOR 1))) AS wrong_ones_taken
FROM t, generate_series(6, 54) p, unnest('{0,A,a,z}'::text[]) c
WHERE substr(token, p, 1) <> c;
WITH t AS (SELECT pat_new_token_text(false) AS token FROM generate_series(1, 20))
SELECT count(*) FILTER (WHERE pat_token_is_usable(overlay(token PLACING reverse(substr(token, p, 2)) FROM p FOR 2)))
    AS swapped_ones_taken
FROM t, generate_series(6, 53) p
WHERE substr(token, p, 1) <> substr(token, p + 1, 1);

-- other shapes have no checksum
SELECT token, pat_token_is_usable(token)
FROM unnest(ARRAY['user:xyzrandomstring', '*:*.my-admin-token', 'x', 'USER:' || repeat('0', 49),
                  '', ' x', 'x y', E'x\n', 'bearer', 'bearer x', 'é', 'bearerx',
                  'aa.bb.cc', 'aa.bb.cc.dd', 'aa.bb.']) AS token;
SELECT pat_token_is_usable(repeat('x', 8192)) AS longest, pat_token_is_usable(repeat('x', 8193)) AS longer;

-- FIPS 180-4 examples
SELECT encode(pat_token_hash('abc'), 'hex') AS hash;
SELECT encode(pat_token_hash('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq'), 'hex') AS hash;
SELECT pat_token_hash(t) = sha256(convert_to(t, 'UTF8')) AS same
FROM unnest(ARRAY['', 'user:xyzrandomstring', repeat('x', 100000)]) AS t;

-- nothing is sealed without a key
SELECT pat_token_seal(1, 2, 'user:xyzrandomstring');
