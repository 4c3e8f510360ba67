-- B5: an account without a role may do nothing but see its own tokens, whatever rows there are.
BEGIN;
-- a table as it could be after somebody dropped the check
ALTER TABLE pat_role DROP CONSTRAINT pat_role_id_check;
INSERT INTO pat_role (id, name) VALUES (0, 'regress-zero');
INSERT INTO pat_role_permission (role_id, permission) VALUES (0, 'ADMIN'), (0, 'READ_ALL');
SELECT pat_create_account('regress-none', root_role => NULL) AS none \gset
SELECT pat_create_account('regress-zero', root_role => 0) AS zero \gset
SELECT pat_create_token(:none, 'none', secret => 'user:regress-none') IS NOT NULL AS made;
SELECT pat_create_token(:zero, 'zero', secret => 'user:regress-zero') IS NOT NULL AS made;
SELECT permissions FROM pat_caller('user:regress-none');
SELECT permissions FROM pat_caller('user:regress-zero');
SELECT split_part(answer, ' -', 1) AS answer
FROM (VALUES (pat_answer_list_for_service_account('0', 'user:regress-none')),
             (pat_answer_list_for_service_account('0', 'user:regress-zero'))) AS v (a),
     LATERAL regexp_replace(split_part(a, E'\n', 1), '\d+ \d+$', '') AS answer;
SELECT pat_list_service_accounts('user:regress-zero') IS NOT NULL AS ok;
ROLLBACK;
BEGIN;
SELECT pat_create_account('regress-none', root_role => NULL) AS none \gset
SELECT pat_create_token(:none, 'none', secret => 'user:regress-none') IS NOT NULL AS made;
SELECT pat_list('user:regress-none') IS NOT NULL AS own;
SELECT a->>'rootRole' AS role FROM pat_service_account_json(:none) a;
SELECT pat_list_service_accounts('user:regress-none');
ROLLBACK;
