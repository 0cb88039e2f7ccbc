-- The tables of session-core, with the record of session-migrate's steps: `up` finds nothing to do
-- afterwards. For an empty database. Later versions come with further steps.

CREATE TABLE IF NOT EXISTS login_session (
  id UUID NOT NULL PRIMARY KEY,
  digest BYTEA NULL,
  previous_digest BYTEA NULL,
  rotated_at BIGINT NULL,
  confirmed_at BIGINT NULL,
  user_id VARCHAR(255) COLLATE "C" NOT NULL,
  provider VARCHAR(255) COLLATE "C" NOT NULL,
  partition_key BYTEA NOT NULL,
  admission BIGINT NOT NULL,
  issuer VARCHAR(255) COLLATE "C" NULL,
  subject VARCHAR(255) COLLATE "C" NULL,
  sid VARCHAR(255) COLLATE "C" NULL,
  account VARCHAR(255) COLLATE "C" NULL,
  auth_time BIGINT NULL,
  acr VARCHAR(255) COLLATE "C" NULL,
  amr VARCHAR(255) COLLATE "C" NULL,
  device VARCHAR(255) COLLATE "C" NOT NULL,
  origin VARCHAR(16) COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  last_seen_at BIGINT NOT NULL,
  timeouts_from BIGINT NOT NULL,
  renewed_at BIGINT NULL,
  connection_renewed_at BIGINT NULL,
  revision BIGINT NOT NULL,
  ended_at BIGINT NULL,
  end_reason VARCHAR(32) COLLATE "C" NULL,
  sealed_tokens BYTEA NULL,
  sealed_refresh_token BYTEA NULL,
  seal_key VARCHAR(64) COLLATE "C" NULL,
  lease_owner UUID NULL,
  lease_heartbeat BIGINT NULL,
  lease_term_ms BIGINT NULL,
  last_seen_hour BIGINT GENERATED ALWAYS AS (last_seen_at / 3600000) STORED
) WITH (fillfactor = 75);

CREATE UNIQUE INDEX IF NOT EXISTS login_session_digest ON login_session (digest);

CREATE INDEX IF NOT EXISTS login_session_previous_digest ON login_session (previous_digest);

CREATE INDEX IF NOT EXISTS login_session_user ON login_session (user_id, ended_at, provider);

CREATE INDEX IF NOT EXISTS login_session_partition ON login_session (partition_key, ended_at);

CREATE INDEX IF NOT EXISTS login_session_last_seen ON login_session (ended_at, last_seen_hour);

CREATE INDEX IF NOT EXISTS login_session_timeouts ON login_session (ended_at, timeouts_from, id);

CREATE INDEX IF NOT EXISTS login_session_connection ON login_session (ended_at, connection_renewed_at, id)
  WHERE connection_renewed_at IS NOT NULL;

CREATE INDEX IF NOT EXISTS login_session_provider ON login_session (provider, ended_at);

CREATE INDEX IF NOT EXISTS login_session_sid ON login_session (issuer, sid);

CREATE INDEX IF NOT EXISTS login_session_subject ON login_session (issuer, subject);

CREATE INDEX IF NOT EXISTS login_session_seal_key ON login_session (seal_key, id);

CREATE TABLE IF NOT EXISTS login_session_event (
  id UUID NOT NULL PRIMARY KEY,
  session_id UUID NOT NULL,
  user_id VARCHAR(255) COLLATE "C" NOT NULL,
  provider VARCHAR(255) COLLATE "C" NOT NULL,
  kind VARCHAR(32) COLLATE "C" NOT NULL,
  detail VARCHAR(32) COLLATE "C" NULL,
  actor VARCHAR(255) COLLATE "C" NULL,
  at BIGINT NOT NULL
);

CREATE INDEX IF NOT EXISTS login_session_event_kind ON login_session_event (kind, at);

CREATE INDEX IF NOT EXISTS login_session_event_session ON login_session_event (session_id, at, id);

CREATE TABLE IF NOT EXISTS provider_revocation (
  id UUID NOT NULL PRIMARY KEY,
  session_id UUID NOT NULL,
  user_id VARCHAR(255) COLLATE "C" NOT NULL,
  provider VARCHAR(255) COLLATE "C" NOT NULL,
  partition_key BYTEA NOT NULL,
  sealed_refresh_token BYTEA NOT NULL,
  seal_key VARCHAR(64) COLLATE "C" NULL,
  created_at BIGINT NOT NULL,
  due_at BIGINT NOT NULL,
  attempts BIGINT NOT NULL
);

CREATE INDEX IF NOT EXISTS provider_revocation_due ON provider_revocation (due_at, id);

CREATE INDEX IF NOT EXISTS provider_revocation_seal_key ON provider_revocation (seal_key, id);

CREATE TABLE IF NOT EXISTS admission_lock (
  partition_key BYTEA NOT NULL PRIMARY KEY,
  admissions BIGINT NOT NULL
);

ALTER TABLE login_session ADD COLUMN moved_by UUID NULL;

ALTER TABLE login_session ADD COLUMN moved_revision BIGINT NULL;

CREATE TABLE IF NOT EXISTS session_move (
  id UUID NOT NULL PRIMARY KEY,
  state VARCHAR(16) COLLATE "C" NOT NULL,
  phase VARCHAR(16) COLLATE "C" NOT NULL,
  is_paused BIGINT NOT NULL,
  runner UUID NULL,
  owner VARCHAR(255) COLLATE "C" NULL,
  options TEXT COLLATE "C" NOT NULL,
  plan_digest VARCHAR(255) COLLATE "C" NULL,
  progress TEXT COLLATE "C" NOT NULL,
  sealed_cursor BYTEA NULL,
  started_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  switched_at BIGINT NULL,
  finished_at BIGINT NULL,
  worked_ms BIGINT NOT NULL,
  sealed_keys BYTEA NULL,
  is_blocked BIGINT NULL,
  connections TEXT COLLATE "C" NULL
);

CREATE TABLE IF NOT EXISTS session_move_aside (
  session_id UUID NOT NULL PRIMARY KEY,
  move_id UUID NOT NULL,
  state VARCHAR(16) COLLATE "C" NOT NULL,
  reason VARCHAR(32) COLLATE "C" NULL,
  user_id VARCHAR(255) COLLATE "C" NULL,
  provider VARCHAR(255) COLLATE "C" NULL,
  sealed_row BYTEA NOT NULL,
  seal_key VARCHAR(64) COLLATE "C" NOT NULL,
  set_aside_at BIGINT NOT NULL
);

CREATE INDEX IF NOT EXISTS session_move_aside_state ON session_move_aside (move_id, state);

CREATE TABLE session_migration (
  version VARCHAR(255) NOT NULL PRIMARY KEY,
  applied_at BIGINT NOT NULL
);

INSERT INTO session_migration (version, applied_at) VALUES ('m20260101_000001_create_session_tables', 0);

INSERT INTO session_migration (version, applied_at) VALUES ('m20261125_000001_add_moves', 0);
