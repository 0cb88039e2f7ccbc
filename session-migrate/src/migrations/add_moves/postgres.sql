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
