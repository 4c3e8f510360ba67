# Puts the guard into the functions in PL/pgSQL (1_tables.sql says what for). By names of pg_catalog
# only; the name is looked up anew at each call, whatever the snapshot, and the extension's own schema
# is known by its OID.
s/^    @guard@$/    IF to_regnamespace('@extschema@') IS DISTINCT FROM (SELECT e.extnamespace FROM pg_extension e WHERE e.extname = 'pat') THEN\
        RAISE EXCEPTION 'the schema of extension "pat" was renamed'\
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Enable the event trigger pat_follow_rename, and rename the schema once more.';\
    END IF;/
