-- Claiming looks only at what its worker takes: what lies in the queue beside that, of other types or due later, costs it nothing.
DROP INDEX jobs.idx_tb_job_queue_ready;
CREATE INDEX idx_tb_job_queue_due ON jobs.tb_job_queue (execution_type, priority DESC, run_at) WHERE worker_id IS NULL;

-- Of all types together the jobs of the highest priority, and of these the ones that are due longest. `due` are the first
-- of them, found through the index for each type and priority that there is; those that other claims have locked are
-- passed over, and if too few are left it reaches further. Planned anew each time: a plan for any number of jobs is one
-- for a tenth of the queue.
CREATE OR REPLACE FUNCTION jobs.claim(worker uuid, types text[], how_many integer) RETURNS SETOF jobs.tb_job_run
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    lease interval;
    wanted text[] := coalesce(types, (SELECT array_agg(t.name) FROM jobs.tb_execution_type t));
    reach bigint := 2 * how_many::bigint + 16;
    due uuid[];
    taken uuid[];
BEGIN
    SELECT w.lease INTO lease FROM jobs.tb_worker w WHERE w.id = worker AND w.stopped_at IS NULL;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    LOOP
        due := ARRAY(
            WITH RECURSIVE level AS (
                SELECT t.name, (SELECT max(q.priority) FROM jobs.tb_job_queue q
                                 WHERE q.worker_id IS NULL AND q.execution_type = t.name) AS priority
                  FROM (SELECT DISTINCT unnest(wanted)) t (name)
                UNION ALL
                SELECT l.name, (SELECT max(q.priority) FROM jobs.tb_job_queue q
                                 WHERE q.worker_id IS NULL AND q.execution_type = l.name AND q.priority < l.priority)
                  FROM level l WHERE l.priority IS NOT NULL
            )
            SELECT first.job_id FROM level l CROSS JOIN LATERAL (
                SELECT q.job_id, q.run_at FROM jobs.tb_job_queue q
                 WHERE q.worker_id IS NULL AND q.execution_type = l.name AND q.priority = l.priority AND q.run_at <= now()
                 ORDER BY q.run_at LIMIT reach) first
             ORDER BY l.priority DESC, first.run_at LIMIT reach);
        taken := ARRAY(
            SELECT q.job_id FROM jobs.tb_job_queue q
             WHERE q.job_id = ANY (due) AND q.worker_id IS NULL AND q.run_at <= now()
             ORDER BY q.priority DESC, q.run_at LIMIT how_many FOR UPDATE SKIP LOCKED);
        EXIT WHEN (cardinality(taken) < how_many AND cardinality(due) >= reach) IS NOT TRUE;
        reach := reach * 4;
    END LOOP;
    UPDATE jobs.tb_job_queue q SET worker_id = worker, leased_until = now() + lease WHERE q.job_id = ANY (taken);
    RETURN QUERY SELECT r.* FROM unnest(taken) WITH ORDINALITY AS t (id, turn) JOIN jobs.tb_job_run r ON r.id = t.id
                  ORDER BY t.turn;
END $$;
