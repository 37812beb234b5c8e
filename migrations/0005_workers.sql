-- Workers coming, beating and going; and the three functions SpecQL's users call.

-- A name that registers again is the same supervisor started anew: what its earlier incarnation held is lost for sure,
-- and is dealt with at once instead of when its lease runs out.
CREATE FUNCTION jobs.register_worker(name text, host text, pid integer, version text, lease_seconds double precision)
    RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    fresh uuid := gen_random_uuid();
    dead uuid[];
BEGIN
    DELETE FROM jobs.tb_worker w WHERE w.stopped_at < now() - interval '1 day';
    WITH replaced AS (
        UPDATE jobs.tb_worker w SET stopped_at = now() WHERE w.name = $1 AND w.stopped_at IS NULL RETURNING w.id
    )
    SELECT array_agg(id) INTO dead FROM replaced;
    INSERT INTO jobs.tb_worker (id, name, host, pid, version, lease)
    VALUES (fresh, $1, $2, $3, $4, $5 * interval '1 second');
    UPDATE jobs.tb_job_queue q SET leased_until = '-infinity' WHERE q.worker_id = ANY (dead);
    PERFORM jobs.requeue_lost();
    INSERT INTO audit.tb_event (kind, worker_id, body)
    SELECT 'worker.lost', d, json_build_object('replaced_by', fresh) FROM unnest(dead) d;
    INSERT INTO audit.tb_event (kind, worker_id, body)
    VALUES ('worker.registered', fresh, json_build_object('name', $1, 'host', $2, 'pid', $3, 'version', $4));
    RETURN fresh;
END $$;

-- No row: the worker is not known any more and must register anew. Else one row per job it holds, or one with NULL.
CREATE FUNCTION jobs.heartbeat(worker uuid)
    RETURNS TABLE (job_id uuid, attempt integer, cancel_requested boolean)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH alive AS (
        UPDATE jobs.tb_worker w SET last_seen_at = now() WHERE w.id = worker AND w.stopped_at IS NULL
        RETURNING w.lease
    ), held AS (
        UPDATE jobs.tb_job_queue q SET leased_until = now() + alive.lease FROM alive WHERE q.worker_id = worker
        RETURNING q.job_id, q.attempt, q.cancel_requested
    )
    SELECT held.job_id, held.attempt, held.cancel_requested FROM alive LEFT JOIN held ON true
$$;

CREATE FUNCTION jobs.stop_worker(worker uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE jobs.tb_worker w SET stopped_at = now() WHERE w.id = worker AND w.stopped_at IS NULL;
    IF FOUND THEN
        UPDATE jobs.tb_job_queue q SET leased_until = '-infinity' WHERE q.worker_id = worker;
        PERFORM jobs.requeue_lost();
        INSERT INTO audit.tb_event (kind, worker_id, body) VALUES ('worker.stopped', worker, '{}');
    END IF;
END $$;

CREATE FUNCTION jobs.mark_job_started(job_id uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE jobs.tb_job_queue q
       SET worker_id = jobs.external_worker(), leased_until = jobs.external_lease(r.timeout_seconds)
      FROM jobs.tb_job_run r
     WHERE q.job_id = $1 AND r.id = $1 AND q.worker_id IS NULL;
    IF NOT FOUND OR jobs.begin_attempt($1, jobs.external_worker(), NULL, NULL, NULL, NULL, NULL, NULL) IS NULL THEN
        RAISE EXCEPTION 'job "%" is not waiting', $1
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'it does not exist, has ended, or somebody else has taken it';
    END IF;
END $$;

-- The attempt that an outside worker has running; begun here if the caller did not mark the job started.
CREATE FUNCTION jobs.external_attempt(job uuid) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    held record;
BEGIN
    SELECT q.worker_id, q.attempt INTO held FROM jobs.tb_job_queue q WHERE q.job_id = job FOR UPDATE;
    IF NOT FOUND OR held.worker_id IS NULL THEN
        PERFORM jobs.mark_job_started(job);
    ELSIF held.worker_id <> jobs.external_worker() THEN
        RAISE EXCEPTION 'job "%" is held by worker "%"', job, held.worker_id
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'only the worker that runs a job may end it; jobs.cancel_job asks for that';
    ELSIF held.attempt IS NULL THEN
        RETURN jobs.begin_attempt(job, held.worker_id, NULL, NULL, NULL, NULL, NULL, NULL);
    END IF;
    RETURN (SELECT q.attempt FROM jobs.tb_job_queue q WHERE q.job_id = job);
END $$;

CREATE FUNCTION jobs.end_external(job uuid, status text, error text, output jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM jobs.complete_attempt(job, jobs.external_attempt(job), jobs.external_worker(), status, error, true, NULL,
        output, NULL, NULL, NULL, NULL, NULL, false, NULL, false, NULL, NULL, NULL, NULL, NULL);
END $$;

CREATE FUNCTION jobs.complete_job_successfully(job_id uuid, output jsonb) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT jobs.end_external($1, 'completed', NULL, $2)
$$;

CREATE FUNCTION jobs.fail_job(job_id uuid, error_text text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT jobs.end_external($1, 'failed', $2, NULL)
$$;
