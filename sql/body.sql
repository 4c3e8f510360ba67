-- Request bodies with escapes that text cannot hold: which property is named, and that no body of
-- the length allowed takes longer than any other.  The timeout is hundreds of times what is needed.
BEGIN;
SET LOCAL statement_timeout = '5s';
CREATE FUNCTION pg_temp.outcome(body text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pat_check_body(body::json);
    RETURN 'good';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || left(SQLERRM, 90);
END
$$;

-- which property
SELECT body, pg_temp.outcome(body)
FROM (VALUES (1, '{"a":"\u0000"}'), (2, '{"a":"x","b":"y\u0000"}'), (3, '{"a" : "x" , "b" : [ "y" , "\u0000" ] }'),
             (4, '{"a":{"b":"c","d":"\u0000"}}'), (5, '{"a":"\"\\\"\u0000"}'), (6, '{"a":"\\u0000"}'),
             (7, '{"a":"\\\u0000"}'), (8, '{"a":"x","\u0000":1}'), (9, '{"a":"\ud83d\ude00","b":"\ude00"}'),
             (10, '{"a":"\uD83D\uDE00","b":"\uD83D"}'), (11, '{"a":"\ud83dx\ude00"}'), (12, '{"a":"\ud83d\ud83d"}'),
             (13, '{"a":"\ud83d\u0041"}'), (14, '{"é\"ü":"\u0000"}'), (15, '{":":":\u0000"}'),
             (16, '{"a":"\u00e9\u0001\uffff"}')) AS t (n, body)
ORDER BY n;
SELECT pg_temp.outcome('{"' || repeat('é', 100) || '":"\u0000"}') AS long_name;

-- the longest bodies
SELECT what, octet_length(body) BETWEEN 99000 AND 102400 AS long, pg_temp.outcome(body)
FROM (VALUES (1, 'one text', '{"a":"' || repeat('x', 102000) || '\u0000"}'),
             (2, 'escapes', '{"a":"' || repeat('\"', 51000) || '\u0000"}'),
             (3, 'backslashes', '{"a":"' || repeat('\\', 51000) || '\u0000"}'),
             (4, 'members', (SELECT '{' || string_agg(format('"%s":"%s"', i, i), ',') || ',"a":"\u0000"}' FROM generate_series(1, 7250) i)),
             (5, 'texts', '{"a":[' || repeat('"",', 33900) || '"\u0000"]}'),
             (6, 'in front', '{"a":"\u0000' || repeat('\"', 51000) || '"}'),
             (7, 'none', '{"a":"' || repeat('\u0041', 17000) || '"}')) AS t (n, what, body)
ORDER BY n;
ROLLBACK;
