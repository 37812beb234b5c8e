-- The table SpecQL's generated SQL writes to. A database that already has it, from any earlier generation, keeps its
-- rows: what is missing is added, what is too narrow is widened.

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['stockade_worker', 'stockade_submitter', 'stockade_auditor'] LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = wanted);
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
                EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
            END IF;
        EXCEPTION
            -- Roles belong to the whole server: another database's migration may have been faster.
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN
                RAISE EXCEPTION 'role "%" does not exist and "%" may not create it', wanted, current_user
                    USING ERRCODE = 'insufficient_privilege',
                          HINT = format('as a superuser: CREATE ROLE %I NOLOGIN; GRANT %I TO %I;',
                                        wanted, wanted, current_user);
        END;
    END LOOP;
END $$;

CREATE SCHEMA IF NOT EXISTS jobs;

-- What an earlier generation left: views pin columns, and functions cannot be replaced under other parameter names.
DROP VIEW IF EXISTS jobs.v_job_stats, jobs.v_failing_services, jobs.v_job_queue_health, jobs.v_job_retry_patterns,
    jobs.v_service_reliability, jobs.v_execution_performance_by_type, jobs.v_resource_usage_by_runner,
    jobs.v_runner_failure_patterns;
DROP FUNCTION IF EXISTS jobs.mark_job_started(uuid), jobs.complete_job_successfully(uuid, jsonb),
    jobs.fail_job(uuid, text);

CREATE TABLE IF NOT EXISTS jobs.tb_job_run (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    identifier text NOT NULL UNIQUE,
    idempotency_key text,
    service_name text NOT NULL,
    operation text NOT NULL,
    execution_type text NOT NULL DEFAULT 'http',
    runner_config jsonb,
    resource_usage jsonb,
    security_context jsonb,
    input_data jsonb,
    output_data jsonb,
    error_message text,
    status text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
    attempts integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL DEFAULT 3,
    timeout_seconds integer,
    tenant_id uuid,
    triggered_by uuid,
    correlation_id text,
    entity_type text,
    entity_pk text,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    completed_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- security_request keeps what the row proposed: security_context is overwritten with what was enforced, and a second
-- attempt must not read the first one's result as a wish.
ALTER TABLE jobs.tb_job_run
    ADD COLUMN IF NOT EXISTS execution_type text,
    ADD COLUMN IF NOT EXISTS runner_config jsonb,
    ADD COLUMN IF NOT EXISTS resource_usage jsonb,
    ADD COLUMN IF NOT EXISTS security_context jsonb,
    ADD COLUMN IF NOT EXISTS security_request jsonb;

UPDATE jobs.tb_job_run
   SET execution_type = coalesce(execution_type, 'http'),
       attempts = coalesce(attempts, 0),
       max_attempts = coalesce(max_attempts, 3),
       created_at = coalesce(created_at, now()),
       updated_at = coalesce(updated_at, now()),
       security_request = coalesce(security_request, security_context)
 WHERE execution_type IS NULL OR attempts IS NULL OR max_attempts IS NULL OR created_at IS NULL OR updated_at IS NULL
    OR (security_request IS NULL AND security_context IS NOT NULL);

ALTER TABLE jobs.tb_job_run
    ALTER COLUMN execution_type SET DEFAULT 'http',
    ALTER COLUMN execution_type SET NOT NULL,
    ALTER COLUMN attempts SET DEFAULT 0,
    ALTER COLUMN attempts SET NOT NULL,
    ALTER COLUMN max_attempts SET DEFAULT 3,
    ALTER COLUMN max_attempts SET NOT NULL,
    ALTER COLUMN created_at SET DEFAULT now(),
    ALTER COLUMN created_at SET NOT NULL,
    ALTER COLUMN updated_at SET DEFAULT now(),
    ALTER COLUMN updated_at SET NOT NULL;

-- Execution types are open: the registry on the worker's disk says which exist, so a list here would only refuse
-- rows that a newer worker can run. The check keeps the word a word.
DO $$
DECLARE
    narrow name;
BEGIN
    FOR narrow IN
        SELECT c.conname FROM pg_constraint c
          JOIN pg_attribute a ON a.attrelid = c.conrelid AND c.conkey = ARRAY[a.attnum]
         WHERE c.conrelid = 'jobs.tb_job_run'::regclass AND c.contype = 'c' AND a.attname = 'execution_type'
    LOOP
        EXECUTE format('ALTER TABLE jobs.tb_job_run DROP CONSTRAINT %I', narrow);
    END LOOP;
END $$;
ALTER TABLE jobs.tb_job_run
    ADD CONSTRAINT tb_job_run_execution_type_check CHECK (execution_type ~ '^[a-z][a-z0-9_-]{0,31}$'),
    -- Not checked on rows that were there before: they are kept whatever they say.
    ADD CONSTRAINT tb_job_run_attempts_check CHECK (attempts >= 0 AND max_attempts >= 0) NOT VALID,
    ADD CONSTRAINT tb_job_run_timeout_check CHECK (timeout_seconds > 0) NOT VALID;

CREATE INDEX IF NOT EXISTS idx_tb_job_run_pending ON jobs.tb_job_run (status, created_at) WHERE status = 'pending';
CREATE INDEX IF NOT EXISTS idx_tb_job_run_retry ON jobs.tb_job_run (status, attempts, max_attempts) WHERE status = 'failed';
CREATE INDEX IF NOT EXISTS idx_tb_job_run_correlation ON jobs.tb_job_run (correlation_id) WHERE correlation_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_tb_job_run_idempotency ON jobs.tb_job_run (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_tb_job_run_execution_type ON jobs.tb_job_run (execution_type);
CREATE INDEX IF NOT EXISTS idx_tb_job_run_resource_usage ON jobs.tb_job_run USING gin (resource_usage)
    WHERE resource_usage IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_tb_job_run_created ON jobs.tb_job_run (created_at DESC);
CREATE INDEX IF NOT EXISTS idx_tb_job_run_tenant ON jobs.tb_job_run (tenant_id, created_at DESC);

-- An INSERT may name a column and give it NULL, where leaving it out would have meant the default.
CREATE FUNCTION jobs.prepare_job() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.execution_type := coalesce(NEW.execution_type, 'http');
    NEW.attempts := coalesce(NEW.attempts, 0);
    NEW.max_attempts := coalesce(NEW.max_attempts, 3);
    NEW.security_request := NEW.security_context;
    RETURN NEW;
END $$;
CREATE TRIGGER tr_prepare_job BEFORE INSERT ON jobs.tb_job_run FOR EACH ROW EXECUTE FUNCTION jobs.prepare_job();

CREATE FUNCTION jobs.touch_job() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$;
CREATE TRIGGER tr_touch_job BEFORE UPDATE ON jobs.tb_job_run FOR EACH ROW EXECUTE FUNCTION jobs.touch_job();
