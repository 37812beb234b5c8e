-- The views SpecQL's users read. security_invoker: they show what the caller's own rights show.

-- A number out of resource_usage, or nothing: what else a runner may have put there must not break a view.
CREATE FUNCTION jobs.usage_number(usage jsonb, key text) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN jsonb_typeof(usage -> key) = 'number' THEN (usage ->> key)::numeric END
$$;

CREATE VIEW jobs.v_job_stats WITH (security_invoker = true) AS
SELECT service_name, operation, status,
       count(*) AS total_jobs,
       avg(extract(epoch FROM completed_at - started_at)) AS avg_duration_sec,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM completed_at - started_at)) AS p95_duration_sec
  FROM jobs.tb_job_run
 GROUP BY service_name, operation, status;

CREATE VIEW jobs.v_failing_services WITH (security_invoker = true) AS
SELECT f.service_name, f.operation,
       count(*) AS failure_count,
       max(coalesce(f.completed_at, f.updated_at)) AS last_failure,
       -- The latest five, each once.
       ARRAY(SELECT r.error_message FROM jobs.tb_job_run r
              WHERE r.status = 'failed' AND r.error_message IS NOT NULL
                AND r.service_name = f.service_name AND r.operation = f.operation
              GROUP BY r.error_message ORDER BY max(r.updated_at) DESC LIMIT 5) AS recent_errors
  FROM jobs.tb_job_run f
 WHERE f.status = 'failed'
 GROUP BY f.service_name, f.operation;

CREATE VIEW jobs.v_job_queue_health WITH (security_invoker = true) AS
SELECT service_name, operation,
       count(*) FILTER (WHERE status = 'pending') AS pending_jobs,
       count(*) FILTER (WHERE status = 'running') AS running_jobs,
       count(*) FILTER (WHERE status = 'failed' AND attempts < max_attempts) AS retryable_failures,
       count(*) FILTER (WHERE status = 'failed' AND attempts >= max_attempts) AS permanent_failures,
       avg(extract(epoch FROM now() - created_at)) FILTER (WHERE status = 'pending') AS avg_queue_age_sec,
       max(extract(epoch FROM now() - created_at)) FILTER (WHERE status = 'pending') AS max_queue_age_sec
  FROM jobs.tb_job_run
 GROUP BY service_name, operation;

CREATE VIEW jobs.v_job_retry_patterns WITH (security_invoker = true) AS
SELECT service_name, operation, attempts,
       count(*) AS jobs_at_attempt,
       avg(extract(epoch FROM completed_at - started_at)) AS avg_duration_at_attempt,
       count(*) FILTER (WHERE status = 'completed') AS successes_at_attempt,
       count(*) FILTER (WHERE status = 'failed') AS failures_at_attempt
  FROM jobs.tb_job_run
 WHERE attempts > 0
 GROUP BY service_name, operation, attempts;

-- Of the jobs that succeeded or failed: what waits, runs or was cancelled says nothing about a service.
CREATE VIEW jobs.v_service_reliability WITH (security_invoker = true) AS
SELECT service_name, operation,
       count(*) AS total_jobs,
       count(*) FILTER (WHERE status = 'completed') AS successful_jobs,
       count(*) FILTER (WHERE status = 'failed') AS failed_jobs,
       round(100.0 * count(*) FILTER (WHERE status = 'completed') / count(*), 2) AS success_rate_percent,
       avg(attempts) FILTER (WHERE status = 'completed') AS avg_attempts_for_success,
       max(created_at) AS last_job_at
  FROM jobs.tb_job_run
 WHERE status IN ('completed', 'failed')
 GROUP BY service_name, operation;

CREATE VIEW jobs.v_execution_performance_by_type WITH (security_invoker = true) AS
SELECT execution_type, service_name, operation,
       count(*) AS total_jobs,
       count(*) FILTER (WHERE status = 'completed') AS successful_jobs,
       count(*) FILTER (WHERE status = 'failed') AS failed_jobs,
       avg(extract(epoch FROM completed_at - started_at)) AS avg_duration_sec,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM completed_at - started_at)) AS p95_duration_sec,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM completed_at - started_at)) AS p99_duration_sec
  FROM jobs.tb_job_run
 GROUP BY execution_type, service_name, operation;

CREATE VIEW jobs.v_resource_usage_by_runner WITH (security_invoker = true) AS
SELECT execution_type, service_name, operation,
       count(*) AS total_jobs,
       avg(jobs.usage_number(resource_usage, 'cpu_usage_percent')) AS avg_cpu_percent,
       avg(jobs.usage_number(resource_usage, 'memory_mb')) AS avg_memory_mb,
       avg(jobs.usage_number(resource_usage, 'duration_seconds')) AS avg_duration_sec,
       max(jobs.usage_number(resource_usage, 'peak_memory_mb')) AS max_memory_mb
  FROM jobs.tb_job_run
 WHERE resource_usage IS NOT NULL
 GROUP BY execution_type, service_name, operation;

-- The kind of an error is what stands before its first colon.
CREATE VIEW jobs.v_runner_failure_patterns WITH (security_invoker = true) AS
SELECT execution_type, service_name, operation,
       count(*) AS failure_count,
       array_agg(DISTINCT left(split_part(error_message, ':', 1), 120)) FILTER (WHERE error_message IS NOT NULL)
           AS error_types,
       avg(attempts) AS avg_attempts_before_failure,
       max(coalesce(completed_at, updated_at)) AS last_failure
  FROM jobs.tb_job_run
 WHERE status = 'failed'
 GROUP BY execution_type, service_name, operation;
