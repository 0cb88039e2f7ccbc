CREATE TABLE IF NOT EXISTS session_move (
  id BLOB NOT NULL PRIMARY KEY,
  state TEXT NOT NULL,
  phase TEXT NOT NULL,
  is_paused BIGINT NOT NULL,
  runner BLOB NULL,
  owner TEXT NULL,
  options TEXT NOT NULL,
  plan_digest TEXT NULL,
  progress TEXT NOT NULL,
  sealed_cursor BLOB NULL,
  started_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  switched_at BIGINT NULL,
  finished_at BIGINT NULL,
  worked_ms BIGINT NOT NULL,
  sealed_keys BLOB NULL,
  is_blocked BIGINT NULL,
  connections TEXT NULL
);

CREATE TABLE IF NOT EXISTS session_move_aside (
  session_id BLOB NOT NULL PRIMARY KEY,
  move_id BLOB NOT NULL,
  state TEXT NOT NULL,
  reason TEXT NULL,
  user_id TEXT NULL,
  provider TEXT NULL,
  sealed_row BLOB NOT NULL,
  seal_key TEXT NOT NULL,
  set_aside_at BIGINT NOT NULL
);

CREATE INDEX IF NOT EXISTS session_move_aside_state ON session_move_aside (move_id, state);
