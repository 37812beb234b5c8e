-- The life of an attempt. Each function is one transaction of its own when called alone, locks the queue row first,
-- and appends to the record last.

CREATE FUNCTION jobs.claim(worker uuid, types text[], how_many integer) RETURNS SETOF jobs.tb_job_run
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH ready AS MATERIALIZED (
        SELECT q.job_id, q.priority, q.run_at FROM jobs.tb_job_queue q
         WHERE q.worker_id IS NULL AND q.run_at <= now() AND (types IS NULL OR q.execution_type = ANY (types))
         ORDER BY q.priority DESC, q.run_at LIMIT how_many FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE jobs.tb_job_queue q SET worker_id = w.id, leased_until = now() + w.lease
          FROM ready, jobs.tb_worker w
         WHERE q.job_id = ready.job_id AND w.id = worker AND w.stopped_at IS NULL
        RETURNING ready.*
    )
    SELECT r.* FROM claimed c JOIN jobs.tb_job_run r ON r.id = c.job_id ORDER BY c.priority DESC, c.run_at
$$;

CREATE FUNCTION jobs.release(worker uuid, job uuid) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH released AS (
        UPDATE jobs.tb_job_queue SET worker_id = NULL, leased_until = NULL
         WHERE job_id = job AND worker_id = worker AND attempt IS NULL
        RETURNING 1
    )
    SELECT EXISTS (SELECT FROM released)
$$;

-- Takes the queue rows of several jobs, for a transaction that begins or completes attempts at all of them.
CREATE FUNCTION jobs.lock_queued(job_ids uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM jobs.tb_job_queue q WHERE q.job_id = ANY (job_ids) ORDER BY q.job_id FOR UPDATE;
END $$;

-- The number of the attempt, or NULL if the worker does not hold the job (any more): then it must not run.
-- Repeated while the attempt runs, it answers the same number.
CREATE FUNCTION jobs.begin_attempt(job uuid, worker uuid, policy_name text, policy_version text, policy_sha256 text,
    plan_sha256 text, registry_sha256 text, detail json) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    held record;
    run record;
    number integer;
BEGIN
    SELECT q.attempt INTO held FROM jobs.tb_job_queue q WHERE q.job_id = job AND q.worker_id = worker FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF held.attempt IS NOT NULL THEN
        RETURN held.attempt;
    END IF;
    SELECT coalesce(max(a.attempt), 0) + 1 INTO number FROM jobs.tb_job_attempt a WHERE a.job_id = job;
    INSERT INTO jobs.tb_job_attempt (job_id, attempt, worker_id, policy_name, policy_version, policy_sha256,
                                     plan_sha256, registry_sha256)
    VALUES (job, number, worker, $3, $4, $5, $6, $7);
    UPDATE jobs.tb_job_queue q
       SET attempt = number,
           leased_until = greatest(q.leased_until, now() + (SELECT w.lease FROM jobs.tb_worker w WHERE w.id = worker))
     WHERE q.job_id = job;
    UPDATE jobs.tb_job_run r
       SET status = 'running', attempts = r.attempts + 1, started_at = now(), completed_at = NULL
     WHERE r.id = job
    RETURNING r.* INTO run;
    INSERT INTO audit.tb_event (kind, worker_id, job_id, attempt, tenant_id, body)
    VALUES ('attempt.started', worker, job, number, run.tenant_id, json_build_object(
        'identifier', run.identifier, 'service', run.service_name, 'operation', run.operation,
        'execution_type', run.execution_type, 'triggered_by', run.triggered_by, 'correlation_id', run.correlation_id,
        'input_sha256', encode(sha256(convert_to(coalesce(run.input_data::text, ''), 'UTF8')), 'hex'),
        'policy', json_build_object('name', $3, 'version', $4, 'sha256', $5),
        'plan_sha256', $6, 'registry_sha256', $7, 'detail', detail));
    RETURN number;
END $$;

-- What becomes of a job whose attempt has ended. Not for callers: complete_attempt and requeue_lost decide with it.
-- A failure that will not be retried takes the attempts that were left with it, because `failed` with attempts left
-- means waiting for a retry.
CREATE FUNCTION jobs.settle(job uuid, number integer, status text, error text, may_retry boolean,
    retry_seconds double precision, OUT outcome text, OUT due timestamptz)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    run record;
    cancelling boolean;
BEGIN
    SELECT r.attempts, r.max_attempts INTO run FROM jobs.tb_job_run r WHERE r.id = job FOR UPDATE;
    SELECT q.cancel_requested INTO cancelling FROM jobs.tb_job_queue q WHERE q.job_id = job;
    outcome := CASE
        WHEN status = 'completed' THEN 'completed'
        WHEN status = 'cancelled' OR cancelling THEN 'cancelled'
        WHEN status = 'interrupted' THEN 'requeued'
        WHEN may_retry AND run.attempts < run.max_attempts THEN 'retry'
        ELSE 'dead'
    END;
    due := CASE outcome
        WHEN 'requeued' THEN now()
        WHEN 'retry' THEN now() + coalesce(retry_seconds * interval '1 second', jobs.backoff(run.attempts))
    END;
    UPDATE jobs.tb_job_queue
       SET worker_id = NULL, leased_until = NULL, attempt = NULL, run_at = due
     WHERE job_id = job AND due IS NOT NULL;
    UPDATE jobs.tb_job_run r
       SET status = CASE outcome WHEN 'retry' THEN 'failed' WHEN 'dead' THEN 'failed' WHEN 'requeued' THEN 'pending'
                                 ELSE outcome END,
           attempts = CASE outcome WHEN 'requeued' THEN greatest(r.attempts - 1, 0) ELSE r.attempts END,
           max_attempts = CASE outcome WHEN 'dead' THEN r.attempts ELSE r.max_attempts END,
           error_message = CASE outcome WHEN 'completed' THEN NULL ELSE error END,
           completed_at = CASE WHEN outcome = 'requeued' THEN NULL ELSE now() END
     WHERE r.id = job;
    IF outcome = 'dead' THEN
        INSERT INTO jobs.tb_dead_letter (job_id, attempt, reason, error) VALUES (job, number, status, error)
        ON CONFLICT (job_id) DO UPDATE
           SET attempt = excluded.attempt, reason = excluded.reason, error = excluded.error, died_at = now();
    END IF;
END $$;

-- outcome: completed, cancelled, retry (due says when), requeued, dead; or detached (somebody else has decided the
-- job's fate meanwhile: the attempt is recorded, the job left alone), already_done, lease_lost.
CREATE FUNCTION jobs.complete_attempt(job uuid, number integer, worker uuid, status text, error text,
    may_retry boolean, retry_seconds double precision, output_data jsonb, resource_usage jsonb, security_context jsonb,
    exit_code integer, signal integer, stdout bytea, stdout_truncated boolean, stderr bytea, stderr_truncated boolean,
    output_paths bytea[], output_states text[], output_sizes bigint[], output_bytes bytea[], detail json,
    OUT outcome text, OUT due timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    held record;
    holds boolean;
    was text;
BEGIN
    SELECT q.worker_id, q.attempt INTO held FROM jobs.tb_job_queue q WHERE q.job_id = job FOR UPDATE;
    holds := FOUND AND held.worker_id = worker AND held.attempt = number;
    SELECT a.status INTO was FROM jobs.tb_job_attempt a
     WHERE a.job_id = job AND a.attempt = number AND a.worker_id = worker FOR UPDATE;
    IF was IS DISTINCT FROM 'running' THEN
        outcome := CASE WHEN was IS NULL OR was = 'lost' THEN 'lease_lost' ELSE 'already_done' END;
        RETURN;
    END IF;
    UPDATE jobs.tb_job_attempt a
       SET status = $4, error = $5, ended_at = now(), resource_usage = $9, security_context = $10, exit_code = $11,
           signal = $12, stdout = $13, stdout_truncated = $14, stderr = $15, stderr_truncated = $16
     WHERE a.job_id = job AND a.attempt = number;
    INSERT INTO jobs.tb_job_output (job_id, attempt, number, path, state, size, bytes)
    SELECT job, $2, o.number, o.path, o.state, o.size, o.bytes
      FROM unnest(output_paths, output_states, output_sizes, output_bytes) WITH ORDINALITY
           AS o (path, state, size, bytes, number);
    IF holds THEN
        UPDATE jobs.tb_job_run r
           SET output_data = $8, resource_usage = $9, security_context = coalesce($10, r.security_context)
         WHERE r.id = job;
        SELECT s.outcome, s.due INTO outcome, due
          FROM jobs.settle(job, number, status, error, may_retry, retry_seconds) s;
    ELSE
        outcome := 'detached';
    END IF;
    INSERT INTO audit.tb_event (kind, worker_id, job_id, attempt, tenant_id, body)
    VALUES ('attempt.ended', worker, job, number, (SELECT r.tenant_id FROM jobs.tb_job_run r WHERE r.id = job), json_build_object(
        'status', status, 'job', outcome, 'retry_at', due, 'error', error, 'exit_code', exit_code, 'signal', signal,
        'stdout_sha256', encode(sha256(stdout), 'hex'), 'stderr_sha256', encode(sha256(stderr), 'hex'),
        'outputs', (SELECT json_agg(json_build_object('path', encode(o.path, 'escape'), 'state', o.state,
                                        'size', o.size, 'sha256', encode(sha256(o.bytes), 'hex')))
                      FROM jobs.tb_job_output o WHERE o.job_id = job AND o.attempt = $2),
        'resource_usage', $9, 'detail', detail));
END $$;

-- Jobs whose worker is gone. A lease that ran out while the server itself was away says nothing about the worker, so
-- after a start everybody has one lease's time to come back; '-infinity' marks those known to be dead.
CREATE FUNCTION jobs.requeue_lost()
    RETURNS TABLE (job_id uuid, attempt integer, worker_id uuid, outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    gone record;
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
               SET status = 'lost', ended_at = now(), error = 'the worker was lost while the attempt ran'
             WHERE a.job_id = gone.job_id AND a.attempt = gone.attempt;
            SELECT s.outcome INTO outcome FROM jobs.settle(gone.job_id, gone.attempt, 'lost',
                'the worker was lost while the attempt ran', true, NULL) s;
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

CREATE FUNCTION jobs.cancel_job(job uuid, requested_by text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    held record;
    run record;
BEGIN
    SELECT q.attempt, q.cancel_requested INTO held FROM jobs.tb_job_queue q WHERE q.job_id = job FOR UPDATE;
    IF NOT FOUND THEN
        RETURN (SELECT r.status FROM jobs.tb_job_run r WHERE r.id = job);
    END IF;
    SELECT r.tenant_id INTO run FROM jobs.tb_job_run r WHERE r.id = job FOR UPDATE;
    IF held.attempt IS NULL THEN
        UPDATE jobs.tb_job_run r
           SET status = 'cancelled', completed_at = now(), error_message = 'cancelled before it ran' WHERE r.id = job;
    ELSE
        UPDATE jobs.tb_job_queue q SET cancel_requested = true WHERE q.job_id = job;
        PERFORM pg_notify('jobs_cancel', job::text);
    END IF;
    INSERT INTO audit.tb_event (kind, job_id, attempt, tenant_id, body)
    VALUES (CASE WHEN held.attempt IS NULL THEN 'job.cancelled' ELSE 'job.cancel_requested' END, job, held.attempt,
            run.tenant_id, json_build_object('by', requested_by));
    RETURN CASE WHEN held.attempt IS NULL THEN 'now' ELSE 'requested' END;
END $$;

-- One more attempt, now, for a job that failed or was cancelled.
CREATE FUNCTION jobs.retry_job(job uuid, requested_by text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tenant uuid;
BEGIN
    UPDATE jobs.tb_job_queue q SET run_at = now() WHERE q.job_id = job AND q.worker_id IS NULL;
    UPDATE jobs.tb_job_run r
       SET status = 'pending', max_attempts = greatest(r.max_attempts, r.attempts + 1), completed_at = NULL
     WHERE r.id = job AND r.status IN ('failed', 'cancelled')
    RETURNING r.tenant_id INTO tenant;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM jobs.tb_dead_letter d WHERE d.job_id = job;
    PERFORM pg_notify('jobs_new', '');
    INSERT INTO audit.tb_event (kind, job_id, tenant_id, body)
    VALUES ('job.retried', job, tenant, json_build_object('by', requested_by));
    RETURN true;
END $$;
