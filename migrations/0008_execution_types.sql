-- The execution types that a job may name: those that Stockade brings a runner for, and those that a worker with a
-- runner of its own has registered. A job of any other type would wait for ever.
CREATE TABLE jobs.tb_execution_type (
    name text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_-]{0,31}$'),
    registered_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO jobs.tb_execution_type (name) VALUES ('http'), ('shell'), ('docker'), ('serverless');
-- Rows that were there before are kept, and can be handed in again.
INSERT INTO jobs.tb_execution_type (name) SELECT DISTINCT execution_type FROM jobs.tb_job_run ON CONFLICT DO NOTHING;

-- Looked up rather than a foreign key: that would lock the type's row for every job that is handed in.
CREATE FUNCTION jobs.check_execution_type() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM jobs.tb_execution_type t WHERE t.name = NEW.execution_type) THEN
        RAISE EXCEPTION 'there is no execution type "%"', NEW.execution_type
            USING ERRCODE = 'foreign_key_violation',
                  HINT = 'jobs.tb_execution_type lists those there are; a worker registers those of its runners when it starts';
    END IF;
    RETURN NEW;
END $$;
-- Triggers of one kind fire by name: behind tr_prepare_job, which puts in the default.
CREATE TRIGGER tr_registered_type BEFORE INSERT OR UPDATE OF execution_type ON jobs.tb_job_run
    FOR EACH ROW EXECUTE FUNCTION jobs.check_execution_type();

CREATE FUNCTION jobs.register_execution_types(names text[]) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO jobs.tb_execution_type (name) SELECT unnest(names) ON CONFLICT DO NOTHING
$$;

-- A row proposes its type and the registry says it. What is counted by type must be what was carried out.
CREATE FUNCTION jobs.correct_execution_type(job uuid, worker uuid, execution_type text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH held AS (
        UPDATE jobs.tb_job_queue q SET execution_type = $3 WHERE q.job_id = $1 AND q.worker_id = $2 RETURNING q.job_id
    )
    UPDATE jobs.tb_job_run r SET execution_type = $3 FROM held WHERE r.id = held.job_id
$$;

REVOKE ALL ON FUNCTION jobs.check_execution_type(), jobs.register_execution_types(text[]),
    jobs.correct_execution_type(uuid, uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobs.register_execution_types(text[]), jobs.correct_execution_type(uuid, uuid, text) TO stockade_worker;
GRANT SELECT ON jobs.tb_execution_type TO stockade_worker, stockade_submitter, stockade_auditor;
