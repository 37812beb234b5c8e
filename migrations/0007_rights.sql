-- Who may do what. The worker changes jobs only through the functions; the submitter proposes jobs and reads its own
-- tenant's; the auditor reads everything and changes nothing.

-- The tenant a submitter's session speaks for; no setting means the jobs that belong to no tenant.
CREATE FUNCTION jobs.current_tenant() RETURNS uuid
LANGUAGE sql STABLE AS $$ SELECT nullif(current_setting('stockade.tenant_id', true), '')::uuid $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA jobs, audit FROM PUBLIC;
GRANT USAGE ON SCHEMA jobs TO stockade_worker, stockade_submitter, stockade_auditor;
GRANT USAGE ON SCHEMA audit TO stockade_worker, stockade_auditor;
GRANT EXECUTE ON FUNCTION jobs.current_tenant(), jobs.usage_number(jsonb, text) TO PUBLIC;

GRANT SELECT ON ALL TABLES IN SCHEMA jobs TO stockade_worker, stockade_auditor;
GRANT SELECT ON ALL TABLES IN SCHEMA audit TO stockade_auditor;
GRANT EXECUTE ON FUNCTION audit.verify() TO stockade_auditor;

GRANT EXECUTE ON FUNCTION
    jobs.claim(uuid, text[], integer),
    jobs.release(uuid, uuid),
    jobs.lock_queued(uuid[]),
    jobs.begin_attempt(uuid, uuid, text, text, text, text, text, json),
    jobs.complete_attempt(uuid, integer, uuid, text, text, boolean, double precision, jsonb, jsonb, jsonb, integer,
        integer, bytea, boolean, bytea, boolean, bytea[], text[], bigint[], bytea[], json),
    jobs.requeue_lost(),
    jobs.cancel_job(uuid, text),
    jobs.retry_job(uuid, text),
    jobs.register_worker(text, text, integer, text, double precision),
    jobs.heartbeat(uuid),
    jobs.stop_worker(uuid),
    jobs.mark_job_started(uuid),
    jobs.complete_job_successfully(uuid, jsonb),
    jobs.fail_job(uuid, text)
    TO stockade_worker;
GRANT INSERT (kind, worker_id, job_id, attempt, tenant_id, body) ON audit.tb_event TO stockade_worker;

-- The columns SpecQL's INSERT names and no others: a job proposes, and never comes with a result, a status or a count.
GRANT INSERT (identifier, idempotency_key, service_name, operation, input_data, tenant_id, triggered_by,
    correlation_id, entity_type, entity_pk, max_attempts, timeout_seconds, execution_type, runner_config,
    security_context) ON jobs.tb_job_run TO stockade_submitter, stockade_worker;
GRANT SELECT ON jobs.tb_migration, jobs.tb_job_run, jobs.tb_job_attempt, jobs.tb_job_output, jobs.tb_dead_letter, jobs.v_job_stats,
    jobs.v_failing_services, jobs.v_job_queue_health, jobs.v_job_retry_patterns, jobs.v_service_reliability,
    jobs.v_execution_performance_by_type, jobs.v_resource_usage_by_runner, jobs.v_runner_failure_patterns
    TO stockade_submitter;

-- Of what is not the owner, only what a policy admits is seen.
ALTER TABLE jobs.tb_job_run ENABLE ROW LEVEL SECURITY;
ALTER TABLE jobs.tb_job_queue ENABLE ROW LEVEL SECURITY;
ALTER TABLE jobs.tb_job_attempt ENABLE ROW LEVEL SECURITY;
ALTER TABLE jobs.tb_job_output ENABLE ROW LEVEL SECURITY;
ALTER TABLE jobs.tb_dead_letter ENABLE ROW LEVEL SECURITY;

CREATE POLICY staff ON jobs.tb_job_run TO stockade_worker, stockade_auditor USING (true) WITH CHECK (true);
CREATE POLICY staff ON jobs.tb_job_queue FOR SELECT TO stockade_worker, stockade_auditor USING (true);
CREATE POLICY staff ON jobs.tb_job_attempt FOR SELECT TO stockade_worker, stockade_auditor USING (true);
CREATE POLICY staff ON jobs.tb_job_output FOR SELECT TO stockade_worker, stockade_auditor USING (true);
CREATE POLICY staff ON jobs.tb_dead_letter FOR SELECT TO stockade_worker, stockade_auditor USING (true);

-- For everybody else, whoever granted them the table: a role of the application counts as a submitter.
CREATE POLICY tenant ON jobs.tb_job_run
    USING (tenant_id IS NOT DISTINCT FROM jobs.current_tenant())
    WITH CHECK (tenant_id IS NOT DISTINCT FROM jobs.current_tenant());
-- The inner query is itself bound by the policy above.
CREATE POLICY tenant ON jobs.tb_job_attempt FOR SELECT
    USING (EXISTS (SELECT FROM jobs.tb_job_run r WHERE r.id = job_id));
CREATE POLICY tenant ON jobs.tb_job_output FOR SELECT
    USING (EXISTS (SELECT FROM jobs.tb_job_run r WHERE r.id = job_id));
CREATE POLICY tenant ON jobs.tb_dead_letter FOR SELECT
    USING (EXISTS (SELECT FROM jobs.tb_job_run r WHERE r.id = job_id));
