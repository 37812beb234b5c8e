-- What workers claim from, and the tables beside it. The queue holds a row only for a job that waits or runs, so
-- claiming never looks at history.

CREATE TABLE jobs.tb_worker (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    -- The same for every incarnation of one supervisor on one state directory.
    name text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    version text NOT NULL,
    lease interval NOT NULL CHECK (lease > interval '0'),
    started_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    stopped_at timestamptz
);
CREATE UNIQUE INDEX idx_tb_worker_alive ON jobs.tb_worker (name) WHERE stopped_at IS NULL;

CREATE TABLE jobs.tb_job_queue (
    job_id uuid PRIMARY KEY REFERENCES jobs.tb_job_run (id) ON DELETE CASCADE,
    priority smallint NOT NULL DEFAULT 0,
    run_at timestamptz NOT NULL DEFAULT now(),
    tenant_id uuid,
    execution_type text NOT NULL,
    -- The lease: who has claimed the job, until when. No reference to tb_worker, whose rows are pruned.
    worker_id uuid,
    leased_until timestamptz,
    -- The attempt that has begun under this lease.
    attempt integer,
    cancel_requested boolean NOT NULL DEFAULT false,
    CHECK ((worker_id IS NULL) = (leased_until IS NULL)),
    CHECK (attempt IS NULL OR worker_id IS NOT NULL)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX idx_tb_job_queue_ready ON jobs.tb_job_queue (priority DESC, run_at) WHERE worker_id IS NULL;
CREATE INDEX idx_tb_job_queue_leased ON jobs.tb_job_queue (worker_id) WHERE worker_id IS NOT NULL;

CREATE TABLE jobs.tb_job_attempt (
    job_id uuid NOT NULL REFERENCES jobs.tb_job_run (id) ON DELETE CASCADE,
    attempt integer NOT NULL CHECK (attempt > 0),
    worker_id uuid NOT NULL,
    status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'completed', 'failed', 'timed_out',
        'out_of_memory', 'limit_exceeded', 'refused', 'setup_failed', 'cancelled', 'interrupted', 'lost')),
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    error text,
    policy_name text,
    policy_version text,
    policy_sha256 text CHECK (policy_sha256 ~ '^[0-9a-f]{64}$'),
    plan_sha256 text CHECK (plan_sha256 ~ '^[0-9a-f]{64}$'),
    registry_sha256 text CHECK (registry_sha256 ~ '^[0-9a-f]{64}$'),
    resource_usage jsonb,
    security_context jsonb,
    exit_code integer,
    signal integer,
    -- What a job writes is bytes: NUL and broken UTF-8 must survive.
    stdout bytea,
    stdout_truncated boolean NOT NULL DEFAULT false,
    stderr bytea,
    stderr_truncated boolean NOT NULL DEFAULT false,
    PRIMARY KEY (job_id, attempt),
    CHECK ((status = 'running') = (ended_at IS NULL))
);
CREATE INDEX idx_tb_job_attempt_running ON jobs.tb_job_attempt (worker_id) WHERE status = 'running';

CREATE TABLE jobs.tb_job_output (
    job_id uuid NOT NULL,
    attempt integer NOT NULL,
    -- Not the path: it may be longer than an index entry can be, and nothing about a job may make its record fail.
    number integer NOT NULL,
    path bytea NOT NULL,
    state text NOT NULL CHECK (state ~ '^[a-z][a-z_]{0,31}$'),
    size bigint NOT NULL CHECK (size >= 0),
    bytes bytea,
    PRIMARY KEY (job_id, attempt, number),
    FOREIGN KEY (job_id, attempt) REFERENCES jobs.tb_job_attempt (job_id, attempt) ON DELETE CASCADE,
    CHECK ((state = 'file') = (bytes IS NOT NULL))
);

CREATE TABLE jobs.tb_dead_letter (
    job_id uuid PRIMARY KEY REFERENCES jobs.tb_job_run (id) ON DELETE CASCADE,
    attempt integer NOT NULL,
    reason text NOT NULL,
    error text,
    died_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_tb_dead_letter_died ON jobs.tb_dead_letter (died_at);

CREATE TABLE jobs.tb_breaker (
    service_name text NOT NULL,
    operation text NOT NULL,
    state text NOT NULL DEFAULT 'closed' CHECK (state IN ('closed', 'open', 'half_open')),
    failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
    opened_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (service_name, operation),
    CHECK ((state = 'closed') = (opened_at IS NULL))
);

CREATE TABLE jobs.tb_schedule (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE,
    cron text NOT NULL,
    time_zone text NOT NULL DEFAULT 'UTC',
    service_name text NOT NULL,
    operation text NOT NULL,
    input_data jsonb,
    tenant_id uuid,
    enabled boolean NOT NULL DEFAULT true,
    next_run_at timestamptz,
    last_run_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_tb_schedule_due ON jobs.tb_schedule (next_run_at) WHERE enabled;

-- One second, doubling up to five minutes; spread by a quarter either way so that what failed together does not
-- come back together.
CREATE FUNCTION jobs.backoff(attempts integer) RETURNS interval
LANGUAGE sql VOLATILE AS $$
    SELECT least(300, 2 ^ least(greatest(attempts, 1) - 1, 20)) * (0.75 + random() / 2) * interval '1 second'
$$;

-- Whoever marks jobs through the functions of SpecQL, and not as a registered worker, holds leases under this name.
CREATE FUNCTION jobs.external_worker() RETURNS uuid
LANGUAGE sql IMMUTABLE AS $$ SELECT '00000000-0000-0000-0000-000000000000'::uuid $$;

CREATE FUNCTION jobs.external_lease(timeout_seconds integer) RETURNS timestamptz
LANGUAGE sql STABLE AS $$ SELECT now() + (coalesce(timeout_seconds, 300) + 60) * interval '1 second' $$;

CREATE FUNCTION jobs.enqueue_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO jobs.tb_job_queue (job_id, tenant_id, execution_type)
    SELECT id, tenant_id, execution_type FROM fresh WHERE status = 'pending';
    RETURN NULL;
END $$;
CREATE TRIGGER tr_enqueue_inserted AFTER INSERT ON jobs.tb_job_run
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION jobs.enqueue_inserted();

-- Keeps the queue true to the status, whoever changed it. The functions of 0004 put the queue row right before they
-- touch the status, so that for them this only deletes what has ended.
CREATE FUNCTION jobs.follow_status() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    due timestamptz := now();
BEGIN
    IF NEW.status IN ('completed', 'cancelled') OR (NEW.status = 'failed' AND NEW.attempts >= NEW.max_attempts) THEN
        DELETE FROM jobs.tb_job_queue WHERE job_id = NEW.id;
    ELSIF NEW.status = 'running' THEN
        UPDATE jobs.tb_job_queue
           SET worker_id = jobs.external_worker(), leased_until = jobs.external_lease(NEW.timeout_seconds)
         WHERE job_id = NEW.id AND worker_id IS NULL;
    ELSE
        IF NEW.status = 'failed' THEN
            due := due + jobs.backoff(NEW.attempts);
        END IF;
        INSERT INTO jobs.tb_job_queue AS q (job_id, tenant_id, execution_type, run_at)
        VALUES (NEW.id, NEW.tenant_id, NEW.execution_type, due)
        ON CONFLICT (job_id) DO UPDATE
           SET worker_id = NULL, leased_until = NULL, attempt = NULL, cancel_requested = false, run_at = excluded.run_at
         WHERE q.worker_id IS NOT NULL;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tr_follow_status AFTER UPDATE OF status ON jobs.tb_job_run
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION jobs.follow_status();

CREATE FUNCTION jobs.announce() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('jobs_new', '');
    RETURN NULL;
END $$;
CREATE TRIGGER tr_announce AFTER INSERT ON jobs.tb_job_queue FOR EACH STATEMENT EXECUTE FUNCTION jobs.announce();

-- Rows that were there before the queue: those that wait, wait here; those that run are an outside worker's until the
-- time such a job has is over.
INSERT INTO jobs.tb_job_attempt (job_id, attempt, worker_id, started_at)
SELECT id, greatest(attempts, 1), jobs.external_worker(), coalesce(started_at, updated_at)
  FROM jobs.tb_job_run WHERE status = 'running';
INSERT INTO jobs.tb_job_queue (job_id, tenant_id, execution_type, run_at, worker_id, leased_until, attempt)
SELECT r.id, r.tenant_id, r.execution_type, r.created_at,
       a.worker_id, CASE WHEN a.job_id IS NOT NULL THEN jobs.external_lease(r.timeout_seconds) END, a.attempt
  FROM jobs.tb_job_run r LEFT JOIN jobs.tb_job_attempt a ON a.job_id = r.id
 WHERE r.status IN ('pending', 'running') OR (r.status = 'failed' AND r.attempts < r.max_attempts);
