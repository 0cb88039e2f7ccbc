-- The tables of session-core, with the record of session-migrate's steps: `up` finds nothing to do
-- afterwards. For an empty database. Later versions come with further steps.

CREATE TABLE IF NOT EXISTS login_session (
  id BINARY(16) NOT NULL PRIMARY KEY,
  digest BINARY(32) NULL,
  previous_digest BINARY(32) NULL,
  rotated_at BIGINT NULL,
  confirmed_at BIGINT NULL,
  user_id VARCHAR(255) NOT NULL,
  provider VARCHAR(255) NOT NULL,
  partition_key BINARY(32) NOT NULL,
  admission BIGINT NOT NULL,
  issuer VARCHAR(255) NULL,
  subject VARCHAR(255) NULL,
  sid VARCHAR(255) NULL,
  account VARCHAR(255) NULL,
  auth_time BIGINT NULL,
  acr VARCHAR(255) NULL,
  amr VARCHAR(255) NULL,
  device VARCHAR(255) NOT NULL,
  origin VARCHAR(16) NOT NULL,
  created_at BIGINT NOT NULL,
  last_seen_at BIGINT NOT NULL,
  timeouts_from BIGINT NOT NULL,
  renewed_at BIGINT NULL,
  connection_renewed_at BIGINT NULL,
  revision BIGINT NOT NULL,
  ended_at BIGINT NULL,
  end_reason VARCHAR(32) NULL,
  sealed_tokens MEDIUMBLOB NULL,
  sealed_refresh_token MEDIUMBLOB NULL,
  seal_key VARCHAR(64) NULL,
  lease_owner BINARY(16) NULL,
  lease_heartbeat BIGINT NULL,
  lease_term_ms BIGINT NULL,
  UNIQUE KEY login_session_digest (digest),
  KEY login_session_previous_digest (previous_digest),
  KEY login_session_user (user_id, ended_at, provider),
  KEY login_session_partition (partition_key, ended_at),
  KEY login_session_last_seen (ended_at, last_seen_at, id),
  KEY login_session_timeouts (ended_at, timeouts_from, id),
  KEY login_session_connection (ended_at, connection_renewed_at, id),
  KEY login_session_provider (provider, ended_at),
  KEY login_session_sid (issuer, sid),
  KEY login_session_subject (issuer, subject),
  KEY login_session_seal_key (seal_key, id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE TABLE IF NOT EXISTS login_session_event (
  id BINARY(16) NOT NULL PRIMARY KEY,
  session_id BINARY(16) NOT NULL,
  user_id VARCHAR(255) NOT NULL,
  provider VARCHAR(255) NOT NULL,
  kind VARCHAR(32) NOT NULL,
  detail VARCHAR(32) NULL,
  actor VARCHAR(255) NULL,
  at BIGINT NOT NULL,
  KEY login_session_event_kind (kind, at),
  KEY login_session_event_session (session_id, at, id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE TABLE IF NOT EXISTS provider_revocation (
  id BINARY(16) NOT NULL PRIMARY KEY,
  session_id BINARY(16) NOT NULL,
  user_id VARCHAR(255) NOT NULL,
  provider VARCHAR(255) NOT NULL,
  partition_key BINARY(32) NOT NULL,
  sealed_refresh_token MEDIUMBLOB NOT NULL,
  seal_key VARCHAR(64) NULL,
  created_at BIGINT NOT NULL,
  due_at BIGINT NOT NULL,
  attempts BIGINT NOT NULL,
  KEY provider_revocation_due (due_at, id),
  KEY provider_revocation_seal_key (seal_key, id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE TABLE IF NOT EXISTS admission_lock (
  partition_key BINARY(32) NOT NULL PRIMARY KEY,
  admissions BIGINT NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

ALTER TABLE login_session ADD COLUMN moved_by BINARY(16) NULL;

ALTER TABLE login_session ADD COLUMN moved_revision BIGINT NULL;

CREATE TABLE IF NOT EXISTS session_move (
  id BINARY(16) NOT NULL PRIMARY KEY,
  state VARCHAR(16) NOT NULL,
  phase VARCHAR(16) NOT NULL,
  is_paused BIGINT NOT NULL,
  runner BINARY(16) NULL,
  owner VARCHAR(255) NULL,
  options MEDIUMTEXT NOT NULL,
  plan_digest VARCHAR(255) NULL,
  progress MEDIUMTEXT NOT NULL,
  sealed_cursor MEDIUMBLOB NULL,
  started_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  switched_at BIGINT NULL,
  finished_at BIGINT NULL,
  worked_ms BIGINT NOT NULL,
  sealed_keys MEDIUMBLOB NULL,
  is_blocked BIGINT NULL,
  connections MEDIUMTEXT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE TABLE IF NOT EXISTS session_move_aside (
  session_id BINARY(16) NOT NULL PRIMARY KEY,
  move_id BINARY(16) NOT NULL,
  state VARCHAR(16) NOT NULL,
  reason VARCHAR(32) NULL,
  user_id VARCHAR(255) NULL,
  provider VARCHAR(255) NULL,
  sealed_row MEDIUMBLOB NOT NULL,
  seal_key VARCHAR(64) NOT NULL,
  set_aside_at BIGINT NOT NULL,
  KEY session_move_aside_state (move_id, state)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE TABLE session_migration (
  version VARCHAR(255) NOT NULL PRIMARY KEY,
  applied_at BIGINT NOT NULL
);

INSERT INTO session_migration (version, applied_at) VALUES ('m20260101_000001_create_session_tables', 0);

INSERT INTO session_migration (version, applied_at) VALUES ('m20261125_000001_add_moves', 0);
