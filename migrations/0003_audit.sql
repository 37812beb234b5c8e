-- The record: append-only and hash-chained. docs/decisions/0005-audit-chain.md says what is hashed and why.

CREATE SCHEMA audit;

CREATE TABLE audit.tb_event (
    seq bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    kind text NOT NULL CHECK (kind ~ '^[a-z_]+(\.[a-z_]+)+$'),
    worker_id uuid,
    job_id uuid,
    attempt integer,
    tenant_id uuid,
    -- json, not jsonb: it keeps the very text that was hashed.
    body json NOT NULL,
    prev_sha256 bytea NOT NULL CHECK (octet_length(prev_sha256) = 32),
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32)
);
CREATE INDEX idx_tb_event_job ON audit.tb_event (job_id, attempt) WHERE job_id IS NOT NULL;
CREATE INDEX idx_tb_event_at ON audit.tb_event USING brin (at);

CREATE TABLE audit.tb_checkpoint (
    seq bigint PRIMARY KEY,
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    at timestamptz NOT NULL DEFAULT now(),
    key_id text NOT NULL,
    signature bytea NOT NULL
);

CREATE FUNCTION audit.event_sha256(prev_sha256 bytea, seq bigint, at timestamptz, kind text, worker_id uuid,
    job_id uuid, attempt integer, tenant_id uuid, body json) RETURNS bytea
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT sha256(prev_sha256 || convert_to(
        'stockade-event-1' || E'\n' || seq || E'\n' || (extract(epoch FROM at) * 1000000)::bigint || E'\n' || kind
        || E'\n' || coalesce(worker_id::text, '') || E'\n' || coalesce(job_id::text, '') || E'\n'
        || coalesce(attempt::text, '') || E'\n' || coalesce(tenant_id::text, '') || E'\n' || body::text, 'UTF8'))
$$;

-- Whatever the INSERT says about its place in the chain is overwritten. The lock is held until the transaction ends,
-- so a transaction appends last of all: then nobody waits for more than a commit.
CREATE FUNCTION audit.append() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('stockade audit.tb_event', 0));
    SELECT e.seq, e.at, e.sha256 INTO last FROM audit.tb_event e ORDER BY e.seq DESC LIMIT 1;
    NEW.seq := coalesce(last.seq, 0) + 1;
    -- A clock that was set back must not put an event before the one it follows.
    NEW.at := greatest(clock_timestamp(), last.at);
    NEW.prev_sha256 := coalesce(last.sha256, decode(repeat('00', 32), 'hex'));
    NEW.sha256 := audit.event_sha256(NEW.prev_sha256, NEW.seq, NEW.at, NEW.kind, NEW.worker_id, NEW.job_id,
                                     NEW.attempt, NEW.tenant_id, NEW.body);
    RETURN NEW;
END $$;
CREATE TRIGGER tr_append BEFORE INSERT ON audit.tb_event FOR EACH ROW EXECUTE FUNCTION audit.append();

CREATE FUNCTION audit.refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only: % refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER tr_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.tb_event
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();
CREATE TRIGGER tr_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.tb_checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();

-- ALWAYS: session_replication_role = replica would otherwise switch them off for the session.
ALTER TABLE audit.tb_event ENABLE ALWAYS TRIGGER tr_append;
ALTER TABLE audit.tb_event ENABLE ALWAYS TRIGGER tr_refuse_change;
ALTER TABLE audit.tb_checkpoint ENABLE ALWAYS TRIGGER tr_refuse_change;

-- The first place where the chain does not hold; no row when all of it does. A cut-off tail shows only against a
-- checkpoint.
CREATE FUNCTION audit.verify() RETURNS TABLE (seq bigint, reason text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH linked AS (
        SELECT e.*, lag(e.seq, 1, 0::bigint) OVER w AS before_seq,
               lag(e.sha256, 1, decode(repeat('00', 32), 'hex')) OVER w AS before_sha256
          FROM audit.tb_event e WINDOW w AS (ORDER BY e.seq)
    ), broken AS (
        SELECT l.seq, CASE
                   WHEN l.seq <> l.before_seq + 1 THEN 'events before it are missing'
                   WHEN l.prev_sha256 <> l.before_sha256 THEN 'it does not follow the event before it'
                   WHEN l.sha256 <> audit.event_sha256(l.prev_sha256, l.seq, l.at, l.kind, l.worker_id, l.job_id,
                                                       l.attempt, l.tenant_id, l.body)
                   THEN 'its content does not match its digest'
               END AS reason
          FROM linked l
        UNION ALL
        SELECT c.seq, CASE
                   WHEN e.seq IS NULL THEN 'a checkpoint names it, and it is missing'
                   WHEN e.sha256 <> c.sha256 THEN 'it does not match its checkpoint'
               END
          FROM audit.tb_checkpoint c LEFT JOIN audit.tb_event e ON e.seq = c.seq
    )
    SELECT b.seq, b.reason FROM broken b WHERE b.reason IS NOT NULL ORDER BY b.seq LIMIT 1
$$;
