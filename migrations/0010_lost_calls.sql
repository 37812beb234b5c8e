-- An attempt that must not be made twice, and whose worker was lost: what it has done nobody knows, so its job is a dead
-- letter, as it is where the worker saw the call break off.
ALTER TABLE jobs.tb_job_attempt ADD COLUMN once boolean NOT NULL DEFAULT false;

CREATE FUNCTION jobs.begin_attempt(job uuid, worker uuid, policy_name text, policy_version text, policy_sha256 text,
    plan_sha256 text, registry_sha256 text, detail json, once boolean) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    number integer := jobs.begin_attempt($1, $2, $3, $4, $5, $6, $7, $8);
BEGIN
    UPDATE jobs.tb_job_attempt a SET once = $9 WHERE a.job_id = job AND a.attempt = number AND a.once <> $9;
    RETURN number;
END $$;

CREATE OR REPLACE FUNCTION jobs.requeue_lost()
    RETURNS TABLE (job_id uuid, attempt integer, worker_id uuid, outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    gone record;
    once boolean;
    why text;
    lost jsonb := '[]';
BEGIN
    FOR gone IN
        SELECT q.job_id, q.attempt, q.worker_id, r.tenant_id
          FROM jobs.tb_job_queue q JOIN jobs.tb_job_run r ON r.id = q.job_id
          LEFT JOIN jobs.tb_worker w ON w.id = q.worker_id
         WHERE q.worker_id IS NOT NULL AND q.leased_until < now()
           AND (q.leased_until = '-infinity' OR pg_postmaster_start_time() + coalesce(w.lease, '0') < now())
         ORDER BY q.job_id FOR UPDATE OF q SKIP LOCKED
    LOOP
        job_id := gone.job_id;
        attempt := gone.attempt;
        worker_id := gone.worker_id;
        IF gone.attempt IS NULL THEN
            UPDATE jobs.tb_job_queue q SET worker_id = NULL, leased_until = NULL WHERE q.job_id = gone.job_id;
            outcome := 'released';
        ELSE
            UPDATE jobs.tb_job_attempt a
               SET status = 'lost', ended_at = now(),
                   error = 'the worker was lost while the attempt ran' || CASE WHEN a.once THEN
                       ': what it has done is unknown, and the service is not idempotent' ELSE '' END
             WHERE a.job_id = gone.job_id AND a.attempt = gone.attempt
            RETURNING a.once, a.error INTO once, why;
            SELECT s.outcome INTO outcome FROM jobs.settle(gone.job_id, gone.attempt, 'lost', why, NOT once, NULL) s;
            lost := lost || jsonb_build_object('worker', gone.worker_id, 'job', gone.job_id, 'attempt', gone.attempt,
                                               'tenant', gone.tenant_id, 'outcome', outcome);
        END IF;
        RETURN NEXT;
    END LOOP;
    -- Attempts whose job was decided by somebody else, and whose worker will not come back to tell.
    UPDATE jobs.tb_job_attempt a SET status = 'lost', ended_at = now(), error = 'the worker was lost while the attempt ran'
     WHERE a.status = 'running'
       AND NOT EXISTS (SELECT FROM jobs.tb_job_queue q WHERE q.job_id = a.job_id AND q.attempt = a.attempt)
       AND NOT EXISTS (SELECT FROM jobs.tb_worker w WHERE w.id = a.worker_id AND w.stopped_at IS NULL);
    -- Workers that have been silent for long: without this, names that never come back would count as alive for ever.
    WITH silent AS (
        UPDATE jobs.tb_worker w SET stopped_at = now()
         WHERE w.stopped_at IS NULL AND greatest(w.last_seen_at, pg_postmaster_start_time()) + 3 * w.lease < now()
        RETURNING w.id, w.last_seen_at
    )
    INSERT INTO audit.tb_event (kind, worker_id, body)
    SELECT 'worker.lost', s.id, json_build_object('last_seen_at', s.last_seen_at) FROM silent s;
    INSERT INTO audit.tb_event (kind, worker_id, job_id, attempt, tenant_id, body)
    SELECT 'attempt.lost', l.worker, l.job, l.attempt, l.tenant, json_build_object('job', l.outcome)
      FROM jsonb_to_recordset(lost) AS l (worker uuid, job uuid, attempt integer, tenant uuid, outcome text);
END $$;

REVOKE ALL ON FUNCTION jobs.begin_attempt(uuid, uuid, text, text, text, text, text, json, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION jobs.begin_attempt(uuid, uuid, text, text, text, text, text, json) FROM stockade_worker;
GRANT EXECUTE ON FUNCTION jobs.begin_attempt(uuid, uuid, text, text, text, text, text, json, boolean) TO stockade_worker;
