-- Accounts, as the owner makes and deletes them.
BEGIN;
SELECT pat_create_account('regress-bot', 'Bot', 2) AS bot \gset
SELECT pat_create_account('regress-person', is_service => false) AS person \gset
SELECT username, name, root_role, is_service, is_system, created_at = now() AS created_now, deleted_at
FROM pat_account WHERE id IN (:bot, :person) ORDER BY id;
SELECT :person - :bot AS apart;
SAVEPOINT s;
SELECT pat_create_account('regress-bot');
ROLLBACK TO s;
SELECT pat_create_account('');
ROLLBACK TO s;
SELECT pat_create_account(repeat('x', 256));
ROLLBACK TO s;
SELECT pat_create_account('regress-x', repeat('x', 256));
ROLLBACK TO s;
SELECT pat_create_account('regress-x', root_role => 99);
ROLLBACK TO s;
SELECT pat_create_account(repeat('😀', 255), repeat('😀', 255)) > :person AS longest;
SELECT pat_create_account('regress-no-role', root_role => NULL) > :person AS no_role;
-- a deleted account's username is free again, its row stays
SELECT pat_delete_account(:bot);
SELECT deleted_at = now() AS deleted_now FROM pat_account WHERE id = :bot;
SELECT pat_create_account('regress-bot') <> :bot AS another;
SAVEPOINT s;
UPDATE pat_account SET id = 2147483646 WHERE id = :bot;
SELECT pat_delete_account(2147483646);
ROLLBACK TO s;
SELECT pat_delete_account(2147483647);
ROLLBACK TO s;
SELECT pat_delete_account(-1337);
ROLLBACK TO s;
ROLLBACK;
