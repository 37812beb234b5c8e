-- What each worker takes, so that a job that nobody takes can be told from one that waits for its turn.
ALTER TABLE jobs.tb_worker ADD COLUMN execution_types text[] NOT NULL DEFAULT '{}';

CREATE FUNCTION jobs.register_worker(name text, host text, pid integer, version text, lease_seconds double precision,
    execution_types text[]) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    fresh uuid;
BEGIN
    PERFORM jobs.register_execution_types($6);
    fresh := jobs.register_worker($1, $2, $3, $4, $5);
    UPDATE jobs.tb_worker w SET execution_types = $6 WHERE w.id = fresh;
    RETURN fresh;
END $$;

-- The execution types that a worker takes that has been heard of within its lease. No more of workers than that is
-- anybody's who hands jobs in.
CREATE FUNCTION jobs.taken_execution_types() RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(DISTINCT t.name ORDER BY t.name), '{}')
      FROM jobs.tb_worker w, unnest(w.execution_types) t (name)
     WHERE w.stopped_at IS NULL AND w.last_seen_at + w.lease > now()
$$;

REVOKE ALL ON FUNCTION jobs.register_worker(text, text, integer, text, double precision, text[]),
    jobs.taken_execution_types() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobs.register_worker(text, text, integer, text, double precision, text[]) TO stockade_worker;
GRANT EXECUTE ON FUNCTION jobs.taken_execution_types() TO stockade_worker, stockade_submitter, stockade_auditor;
-- Who registers without saying what he takes would seem to take nothing.
REVOKE ALL ON FUNCTION jobs.register_worker(text, text, integer, text, double precision) FROM stockade_worker;

-- Whether an operation was ever asked for is looked up at each `stockade submit`.
CREATE INDEX tb_job_run_operation ON jobs.tb_job_run (service_name, operation);
