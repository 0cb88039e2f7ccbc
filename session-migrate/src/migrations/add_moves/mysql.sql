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
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE {collation};

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
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE {collation};
