#!/usr/bin/env bash
# Runs Node-RED behind the gateway, and signs in to it:
#
#     examples/gateway/check/node-red.sh
#
# It needs Node.js, and installs Node-RED into a temporary folder.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
folder=$(mktemp -d)
started=()

stop() {
  for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
  wait
  rm -rf "$folder"
}
trap stop EXIT

# Runs a program in the background; what it prints is shown if the check fails.
start() {
  local name=$1
  shift
  "$@" > "$folder/$name.log" 2>&1 &
  started+=($!)
}

# Waits until a server answers.
await() {
  local tries=0
  until curl --silent --output /dev/null "$1"; do
    tries=$((tries + 1))
    if [ "$tries" -ge 300 ]; then
      echo "$1 does not answer:" >&2
      tail -n 20 "$folder"/*.log >&2
      exit 1
    fi
    sleep 0.1
  done
}

cargo build --quiet --manifest-path "$root/Cargo.toml" -p gateway -p identity-provider -p session-migrate
programs=${CARGO_TARGET_DIR:-$root/target}/debug
cp "$root"/examples/gateway/check/{package.json,node-red.mjs} "$folder"
(cd "$folder" && npm install --no-audit --no-fund --loglevel=error)

cat > "$folder/settings.cjs" <<'SETTINGS'
module.exports = { uiHost: "127.0.0.1", uiPort: 13180, logging: { console: { level: "warn" } } };
SETTINGS
start node-red node "$folder/node_modules/node-red/red.js" --userDir "$folder/red" --settings "$folder/settings.cjs"
start provider env CLIENT_SECRET=check-secret "$programs/identity-provider" --listen 127.0.0.1:13101 \
  --auto-login --client-id check --redirect-uri http://127.0.0.1/_gateway/callback
SESSION_KEYS=$("$programs/session-migrate" key)
export SESSION_KEYS CLIENT_SECRET=check-secret ASSERTION_SECRET=a-secret-of-at-least-thirty-two-bytes
start gateway "$programs/gateway" --upstream http://127.0.0.1:13180 --listen 127.0.0.1:13100 \
  --issuer http://127.0.0.1:13101 --client-id check --database "sqlite://$folder/gateway.db?mode=rwc"
await http://127.0.0.1:13180/settings
await http://127.0.0.1:13101/.well-known/openid-configuration
await http://127.0.0.1:13100/

node "$folder/node-red.mjs" http://127.0.0.1:13100
