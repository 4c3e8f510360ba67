# Puts the guard into the functions in PL/pgSQL (1_tables.sql says what for). By names of pg_catalog
# only; the name is looked up anew at each call, the extension's own schema is found by its OID.
s/^    @guard@$/    IF NOT EXISTS (SELECT FROM pg_extension e JOIN pg_class c ON c.relnamespace = e.extnamespace WHERE e.extname = 'pat' AND c.oid = to_regclass('@extschema@.pat_account')) THEN\
        RAISE EXCEPTION 'the schema of extension "pat" was renamed: % is not its table', '@extschema@.pat_account'\
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Enable the event trigger pat_follow_rename, and rename the schema once more.';\
    END IF;/
