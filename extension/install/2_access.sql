--
-- The main job
--
-- VOLATILE: they may write seen_at.  PARALLEL RESTRICTED: a parallel query
-- calls them in its leader, where they write nothing.  Not STRICT: a missing
-- token is an error of its own.
--

CREATE FUNCTION pat_list_for_service_account(id text, caller_token text) RETURNS json
    LANGUAGE C VOLATILE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'pat_list_for_service_account';
REVOKE ALL ON FUNCTION pat_list_for_service_account(text, text) FROM PUBLIC;
COMMENT ON FUNCTION pat_list_for_service_account(text, text) IS
'All tokens of a service account as {"pats":[...]} (Unleash''s patsSchema), ordered by id, expired ones included. id: decimal, no sign, no leading zero. caller_token: value of an Authorization header. Errors, in this order: PT401 token missing or of no use; PT403 caller lacks ADMIN; PT404 no living service account has that id.';

CREATE FUNCTION pat_list_for_service_account(id bigint, caller_token text) RETURNS json
    LANGUAGE C VOLATILE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'pat_list_for_service_account_bigint';
REVOKE ALL ON FUNCTION pat_list_for_service_account(bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION pat_list_for_service_account(bigint, text) IS
'As pat_list_for_service_account(text, text), for an id that is a number already.';

CREATE FUNCTION pat_caller(caller_token text,
        OUT account_id integer, OUT username text, OUT is_service boolean,
        OUT permissions text[], OUT token_id integer, OUT expires_at timestamptz)
    LANGUAGE C VOLATILE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'pat_caller';
REVOKE ALL ON FUNCTION pat_caller(text) FROM PUBLIC;
COMMENT ON FUNCTION pat_caller(text) IS
'Who a token belongs to and what its role may do, for row-level policies and pre-request hooks. caller_token: value of an Authorization header. expires_at NULL = never. Errors: PT401.';

CREATE FUNCTION pat_list(caller_token text) RETURNS json
    LANGUAGE C VOLATILE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'pat_list';
REVOKE ALL ON FUNCTION pat_list(text) FROM PUBLIC;
COMMENT ON FUNCTION pat_list(text) IS
'The caller''s own tokens as {"pats":[...]}, ordered by id. caller_token: value of an Authorization header. Errors: PT401; PT403 (ForbiddenError) the caller is an admin API token, which is nobody''s.';

CREATE FUNCTION pat_answer_list_for_service_account(id text, caller_token text) RETURNS text
    LANGUAGE C VOLATILE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'pat_answer_list_for_service_account';
REVOKE ALL ON FUNCTION pat_answer_list_for_service_account(text, text) FROM PUBLIC;
COMMENT ON FUNCTION pat_answer_list_for_service_account(text, text) IS
'pat_list_for_service_account for callers like the bridge: answers where that one raises. The first line is "200", or status and name of the error, and behind that the ids of the caller''s account and token once the caller is known ("200 7 12", "404 NotFoundError 7 12"; "-" for the token: a JSON Web Token); what follows is the JSON, or the message. Calls can share a transaction, since none fails another.';

CREATE FUNCTION pat_answer_list(caller_token text) RETURNS text
    LANGUAGE C VOLATILE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'pat_answer_list';
REVOKE ALL ON FUNCTION pat_answer_list(text) FROM PUBLIC;
COMMENT ON FUNCTION pat_answer_list(text) IS
'pat_list that answers where that one raises; see pat_answer_list_for_service_account.';

CREATE FUNCTION pat_answer_list_for_service_account(ids text[], caller_tokens text[]) RETURNS SETOF text
    LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'pat_answer_lists_for_service_account';
REVOKE ALL ON FUNCTION pat_answer_list_for_service_account(text[], text[]) FROM PUBLIC;
COMMENT ON FUNCTION pat_answer_list_for_service_account(text[], text[]) IS
'Many requests at once: the n-th row answers the n-th id and the n-th caller_token, as pat_answer_list_for_service_account(text, text) would, all by one snapshot. Errors: 2202E the arrays differ in length or have more than one dimension.';

CREATE FUNCTION pat_answer_list(caller_tokens text[]) RETURNS SETOF text
    LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'pat_answer_lists';
REVOKE ALL ON FUNCTION pat_answer_list(text[]) FROM PUBLIC;
COMMENT ON FUNCTION pat_answer_list(text[]) IS
'Many requests at once: the n-th row answers the n-th caller_token, as pat_answer_list(text) would, all by one snapshot. Errors: 2202E the array has more than one dimension.';

CREATE FUNCTION pat_last_caller() RETURNS text
    LANGUAGE C VOLATILE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'pat_last_caller';
REVOKE ALL ON FUNCTION pat_last_caller() FROM PUBLIC;
COMMENT ON FUNCTION pat_last_caller() IS
'Ids of account and token of the caller that a function of the API authenticated last in this transaction ("7 12"; "7 -" for a JSON Web Token), for logs; NULL if there was none, or the last one was refused with 401.';

--
-- Primitives, for the functions below
--

CREATE FUNCTION pat_new_token_text(is_admin_token boolean) RETURNS text
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'pat_new_token_text';
REVOKE ALL ON FUNCTION pat_new_token_text(boolean) FROM PUBLIC;
COMMENT ON FUNCTION pat_new_token_text(boolean) IS
'A new token: "user:" or "*:*.", 43 base62 characters of 256 random bits, 6 of CRC-32 over what precedes.';

CREATE FUNCTION pat_token_hash(token text) RETURNS bytea
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'pat_token_hash';
REVOKE ALL ON FUNCTION pat_token_hash(text) FROM PUBLIC;
COMMENT ON FUNCTION pat_token_hash(text) IS 'SHA-256 of the text: what pat_token.secret_hash holds.';

CREATE FUNCTION pat_token_seal(token_id integer, account_id integer, token text) RETURNS bytea
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'pat_token_seal';
REVOKE ALL ON FUNCTION pat_token_seal(integer, integer, text) FROM PUBLIC;
COMMENT ON FUNCTION pat_token_seal(integer, integer, text) IS
'The text sealed for pat_token.secret_sealed of the row with that id, account and secret_hash; NULL where pat.secret_key_file is empty. Errors: config_file_error or the system''s, where the key file cannot be used. Owner only.';

CREATE FUNCTION pat_token_is_usable(token text) RETURNS boolean
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'pat_token_is_usable';
REVOKE ALL ON FUNCTION pat_token_is_usable(text) FROM PUBLIC;
COMMENT ON FUNCTION pat_token_is_usable(text) IS
'Could a caller send this text as a token? 1 to 8192 visible ASCII characters, not the word Bearer, not three segments of base64url with two dots (a JSON Web Token), and with a fitting checksum if it has the shape of the extension''s own tokens.';

CREATE FUNCTION pat_raise(status integer, name text, message text) RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'pat_raise';
REVOKE ALL ON FUNCTION pat_raise(integer, text, text) FROM PUBLIC;
COMMENT ON FUNCTION pat_raise(integer, text, text) IS
'Raises SQLSTATE PT<status> with the message and, as DETAIL, the name. Keeps the statement out of the server log: it may hold a token.';

CREATE FUNCTION pat_authorize(credential text, permission text,
        OUT account_id integer, OUT token_id integer, OUT is_service boolean, OUT is_system boolean)
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'pat_authorize';
REVOKE ALL ON FUNCTION pat_authorize(text, text) FROM PUBLIC;
COMMENT ON FUNCTION pat_authorize(text, text) IS
'Who calls, for the functions of the API that change something. Takes the locks of changes first, as pat_begin_change. permission NULL asks for none. Errors: PT401, PT403, those of pat_begin_change.';

CREATE FUNCTION pat_authorize_read(credential text, permission text,
        OUT account_id integer, OUT token_id integer, OUT is_service boolean, OUT is_system boolean)
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'pat_authorize_read';
REVOKE ALL ON FUNCTION pat_authorize_read(text, text) FROM PUBLIC;
COMMENT ON FUNCTION pat_authorize_read(text, text) IS
'pat_authorize for functions of the API that only read: waits for no lock, and sets seen_at. Errors: PT401, PT403.';

CREATE FUNCTION pat_begin_change() RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'pat_begin_change';
REVOKE ALL ON FUNCTION pat_begin_change() FROM PUBLIC;
COMMENT ON FUNCTION pat_begin_change() IS
'Locks pat_role in ROW SHARE mode, pat_role_permission in ACCESS SHARE mode, pat_token, pat_account, pat_jwt_key and pat_event in ROW EXCLUSIVE mode, in this order: what functions of the owner that change something do before they read anything, so that nobody waits in a circle. In a read-only transaction it only takes the locks of reading. Errors: t_r_serialization_failure the schema was renamed while this waited. Owner only.';

CREATE FUNCTION pat_token_used(token_id integer) RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'pat_token_used';
REVOKE ALL ON FUNCTION pat_token_used(integer) FROM PUBLIC;
COMMENT ON FUNCTION pat_token_used(integer) IS
'Sets seen_at of the token by which a change was made, if that is due and its row is free: the last act of a change, because it keeps the row locked. Owner only.';

CREATE FUNCTION pat_service_account_id(id text) RETURNS integer
    LANGUAGE C VOLATILE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'pat_service_account_id';
REVOKE ALL ON FUNCTION pat_service_account_id(text) FROM PUBLIC;
COMMENT ON FUNCTION pat_service_account_id(text) IS 'The id as a number. Errors: PT404 no living service account has it.';

CREATE FUNCTION pat_id(id text) RETURNS integer
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'pat_id';
REVOKE ALL ON FUNCTION pat_id(text) FROM PUBLIC;
COMMENT ON FUNCTION pat_id(text) IS 'The number, if the text is 1 to 2147483647 in decimal without sign or leading zero; else NULL.';

CREATE FUNCTION pat_json_integer(number text) RETURNS integer
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'pat_json_integer';
REVOKE ALL ON FUNCTION pat_json_integer(text) FROM PUBLIC;
COMMENT ON FUNCTION pat_json_integer(text) IS
'The value of a JSON number that is an integer of 32 bits, in whatever spelling: 3, 3.0, 30e-1; else NULL.';

CREATE FUNCTION pat_body_bad_escape(body json) RETURNS text
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'pat_body_bad_escape';
REVOKE ALL ON FUNCTION pat_body_bad_escape(json) FROM PUBLIC;
COMMENT ON FUNCTION pat_body_bad_escape(json) IS
'The name of the property that holds the first escape of NUL or of half a surrogate pair, at most 100 bytes of it, as it is written; NULL if there is none.';

CREATE FUNCTION pat_service_account_json(account_id integer) RETURNS json
    LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'pat_service_account_json';
REVOKE ALL ON FUNCTION pat_service_account_json(integer) FROM PUBLIC;
COMMENT ON FUNCTION pat_service_account_json(integer) IS
'An account and its tokens in the form of Unleash''s serviceAccountSchema. seenAt is the latest of its tokens.';

CREATE FUNCTION pat_new_token_json(token_id integer, secret text) RETURNS json
    LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'pat_new_token_json';
REVOKE ALL ON FUNCTION pat_new_token_json(integer, text) FROM PUBLIC;
COMMENT ON FUNCTION pat_new_token_json(integer, text) IS
'A token in the form of Unleash''s patSchema, with the given text as its secret.';

CREATE FUNCTION pat_count_unexpired_tokens(account_id integer) RETURNS integer
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'pat_count_unexpired_tokens';
REVOKE ALL ON FUNCTION pat_count_unexpired_tokens(integer) FROM PUBLIC;
COMMENT ON FUNCTION pat_count_unexpired_tokens(integer) IS
'Tokens of the account that have not expired, as committed by now, whatever the transaction''s snapshot.';

