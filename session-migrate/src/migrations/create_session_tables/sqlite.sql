CREATE TABLE IF NOT EXISTS login_session (
  id BLOB NOT NULL PRIMARY KEY,
  digest BLOB NULL,
  previous_digest BLOB NULL,
  rotated_at BIGINT NULL,
  confirmed_at BIGINT NULL,
  user_id TEXT NOT NULL,
  provider TEXT NOT NULL,
  partition_key BLOB NOT NULL,
  admission BIGINT NOT NULL,
  issuer TEXT NULL,
  subject TEXT NULL,
  sid TEXT NULL,
  account TEXT NULL,
  auth_time BIGINT NULL,
  acr TEXT NULL,
  amr TEXT NULL,
  device TEXT NOT NULL,
  origin TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  last_seen_at BIGINT NOT NULL,
  timeouts_from BIGINT NOT NULL,
  renewed_at BIGINT NULL,
  connection_renewed_at BIGINT NULL,
  revision BIGINT NOT NULL,
  ended_at BIGINT NULL,
  end_reason TEXT NULL,
  sealed_tokens BLOB NULL,
  sealed_refresh_token BLOB NULL,
  seal_key TEXT NULL,
  lease_owner BLOB NULL,
  lease_heartbeat BIGINT NULL,
  lease_term_ms BIGINT NULL
);

CREATE UNIQUE INDEX IF NOT EXISTS login_session_digest ON login_session (digest);
CREATE INDEX IF NOT EXISTS login_session_previous_digest ON login_session (previous_digest);
CREATE INDEX IF NOT EXISTS login_session_user ON login_session (user_id, ended_at, provider);
CREATE INDEX IF NOT EXISTS login_session_partition ON login_session (partition_key, ended_at);
CREATE INDEX IF NOT EXISTS login_session_last_seen ON login_session (ended_at, last_seen_at, id);
CREATE INDEX IF NOT EXISTS login_session_timeouts ON login_session (ended_at, timeouts_from, id);
CREATE INDEX IF NOT EXISTS login_session_connection ON login_session (ended_at, connection_renewed_at, id)
  WHERE connection_renewed_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS login_session_provider ON login_session (provider, ended_at);
CREATE INDEX IF NOT EXISTS login_session_sid ON login_session (issuer, sid);
CREATE INDEX IF NOT EXISTS login_session_subject ON login_session (issuer, subject);
CREATE INDEX IF NOT EXISTS login_session_seal_key ON login_session (seal_key, id);

CREATE TABLE IF NOT EXISTS login_session_event (
  id BLOB NOT NULL PRIMARY KEY,
  session_id BLOB NOT NULL,
  user_id TEXT NOT NULL,
  provider TEXT NOT NULL,
  kind TEXT NOT NULL,
  detail TEXT NULL,
  actor TEXT NULL,
  at BIGINT NOT NULL
);

CREATE INDEX IF NOT EXISTS login_session_event_kind ON login_session_event (kind, at);
CREATE INDEX IF NOT EXISTS login_session_event_session ON login_session_event (session_id, at, id);

CREATE TABLE IF NOT EXISTS provider_revocation (
  id BLOB NOT NULL PRIMARY KEY,
  session_id BLOB NOT NULL,
  user_id TEXT NOT NULL,
  provider TEXT NOT NULL,
  partition_key BLOB NOT NULL,
  sealed_refresh_token BLOB NOT NULL,
  seal_key TEXT NULL,
  created_at BIGINT NOT NULL,
  due_at BIGINT NOT NULL,
  attempts BIGINT NOT NULL
);

CREATE INDEX IF NOT EXISTS provider_revocation_due ON provider_revocation (due_at, id);
CREATE INDEX IF NOT EXISTS provider_revocation_seal_key ON provider_revocation (seal_key, id);

CREATE TABLE IF NOT EXISTS admission_lock (
  partition_key BLOB NOT NULL PRIMARY KEY,
  admissions BIGINT NOT NULL
);
