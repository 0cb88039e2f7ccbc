# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # work, url and servers are shared with with-databases, which sources this
# Starts private servers below $work on free ports of the loopback interface.
# Each start_* leaves the address in $url and the process id in $servers.
# They do not survive a crash: nothing is flushed to the disk.

connections=500

# The account under which a server runs. Servers refuse to run as root.
account() { # preferred
  if [ "$(id -u)" -ne 0 ]; then id -un; return; fi
  if id -u "$1" >/dev/null 2>&1; then echo "$1"; else echo nobody; fi
}

# Runs a command as the account. With setpriv, a server also ends when this
# script is killed and cannot clean up.
run_as() { # account, command...
  local user=$1 as=()
  shift
  if command -v setpriv >/dev/null; then
    if [ "$(id -u)" -eq 0 ]; then as=(--reuid="$user" --regid="$(id -g "$user")" --clear-groups); fi
    exec setpriv ${as[@]+"${as[@]}"} --pdeathsig QUIT -- "$@"
  elif [ "$(id -u)" -eq 0 ]; then
    exec runuser -u "$user" -- "$@"
  fi
  exec "$@"
}

# Creates a folder below $work that belongs to the account, and prints its path.
folder_of() { # name, account
  mkdir -m 700 "$work/$1"
  if [ "$(id -u)" -eq 0 ]; then chown "$2" "$work/$1"; fi
  echo "$work/$1"
}

# Runs a set-up step; prints its output only if it fails.
prepare() { # folder, account, command...
  local folder=$1 user=$2
  shift 2
  (cd "$folder" && run_as "$user" "$@") >"$folder.prepare.log" 2>&1 </dev/null && return
  cat "$folder.prepare.log" >&2
  echo "error: cannot prepare a database server: $1" >&2
  exit 1
}

password() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Prints a free port below the range of outgoing connections.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    if ! answers "$port"; then echo "$port"; return; fi
  done
}

# Prints the first of three free ports in a row.
free_ports() {
  local first
  while :; do
    first=$(free_port)
    if ! answers $((first + 1)) && ! answers $((first + 2)); then echo "$first"; return; fi
  done
}

# Starts a server, on another port if its port was taken meanwhile. Each PORT in
# the command is replaced by the port, which is left in $port.
launch() { # name, folder, account, line of the log of a server that is ready, command...
  local name=$1 folder=$2 user=$3 ready=$4 attempt
  shift 4
  for attempt in 1 2 3 4 5; do
    port=$(free_port)
    (cd "$folder" && run_as "$user" "${@//PORT/$port}") >"$folder.log" 2>&1 </dev/null &
    servers+=("$!")
    if wait_until_ready "$!" "$folder.log" "$ready"; then
      echo "$name listens on 127.0.0.1:$port" >&2
      return
    fi
    stop_server "$!"
  done
  tail -n 30 "$folder.log" >&2
  echo "error: $name does not start ($attempt attempts)" >&2
  exit 1
}

wait_until_ready() { # process id, log, line
  local _
  for _ in {1..600}; do
    kill -0 "$1" 2>/dev/null || return 1
    if grep -qs "$3" "$2" && answers "$port"; then return; fi
    sleep 0.1
  done
  return 1
}

# Stops a server by the process id of its start.
stop_server() { # process id
  local _
  kill -QUIT "$1" 2>/dev/null || return 0
  for _ in {1..100}; do
    kill -0 "$1" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -KILL "$1" 2>/dev/null || true
}

start_postgres() { # folder of the binaries
  local user folder secret
  user=$(account postgres)
  folder=$(folder_of postgres "$user")
  secret=$(password)
  printf '%s\n' "$secret" >"$folder/password"
  chmod 644 "$folder/password" # only the account can enter its folder
  prepare "$folder" "$user" "$1/initdb" --pgdata="$folder/data" --username=session --pwfile="$folder/password" \
    --auth=password --encoding=UTF8 --locale=C --no-sync
  launch PostgreSQL "$folder" "$user" "ready to accept connections" \
    "$1/postgres" -D "$folder/data" -p PORT -h 127.0.0.1 -c unix_socket_directories= \
    -c max_connections="$connections" -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
    -c wal_level=minimal -c max_wal_senders=0 -c max_wal_size=4GB -c checkpoint_timeout=1h -c jit=off
  url="postgres://session:$secret@127.0.0.1:$port/postgres"
}

start_mariadb() { # server
  start_one_mariadb MariaDB mariadb "$1"
}

# Its binary log has a format that many settings of old have.
start_mariadb_with_log() { # server
  start_one_mariadb "MariaDB with a binary log" mariadb_log "$1" \
    --log-bin=binlog --binlog-format=STATEMENT --server-id=1 --innodb-buffer-pool-size=16M
}

start_one_mariadb() { # name, name of the folder, server, options...
  local name=$1 server=$3 user folder
  user=$(account mysql)
  folder=$(folder_of "$2" "$user")
  folder_of "$2/tmp" "$user" >/dev/null
  shift 3
  prepare "$folder" "$user" "$(install_db_of "$server")" --no-defaults --datadir="$folder/data" \
    --tmpdir="$folder/tmp" --auth-root-authentication-method=normal --skip-test-db
  start_mysql_family "$name" "$server" "$folder" "$user" "IDENTIFIED BY" "$@"
}

# Starts three nodes that replicate to each other, and leaves their addresses in $url,
# with spaces in between.
start_galera() { # server, library
  local user folder secret node ports=() cluster=gcomm:// first=--wsrep-new-cluster urls=()
  user=$(account mysql)
  folder=$(folder_of galera "$user")
  secret=$(password)
  for node in 1 2 3; do
    folder_of "galera/$node" "$user" >/dev/null
    folder_of "galera/$node/tmp" "$user" >/dev/null
    ports+=("$(free_ports)")
    cluster+="127.0.0.1:${ports[-1]},"
  done
  prepare "$folder/1" "$user" "$(install_db_of "$1")" --no-defaults --datadir="$folder/1/data" \
    --tmpdir="$folder/1/tmp" --auth-root-authentication-method=normal --skip-test-db
  for node in 2 3; do cp -a "$folder/1/data" "$folder/$node/data"; done
  mysql_accounts "$secret" "IDENTIFIED BY" >"$folder/1/init.sql"
  : >"$folder/2/init.sql" >"$folder/3/init.sql"
  chmod 644 "$folder"/?/init.sql # only the account can enter their folders
  for node in 1 2 3; do
    local group=${ports[node - 1]}
    launch "Galera node $node" "$folder/$node" "$user" "Synchronized with group" \
      env --default-signal=QUIT "$here/databases/started-again" "$1" "${mysql_options[@]}" --datadir="$folder/$node/data" \
      --init-file="$folder/$node/init.sql" --tmpdir="$folder/$node/tmp" --binlog-format=ROW \
      --innodb-autoinc-lock-mode=2 --innodb-buffer-pool-size=32M --wsrep-on=ON --wsrep-provider="$2" \
      --wsrep-cluster-name=session --wsrep-cluster-address="${cluster%,}" \
      --wsrep-node-address="127.0.0.1:$group" --wsrep-sst-method=rsync \
      --wsrep-sst-receive-address="127.0.0.1:$((group + 2))" \
      --wsrep-provider-options="base_port=$group;gmcast.listen_addr=tcp://127.0.0.1:$group;ist.recv_addr=127.0.0.1:$((group + 1));gcache.size=16M" \
      ${first:+"$first"}
    first=
    urls+=("mysql://session:$secret@127.0.0.1:$port/mysql")
  done
  url=${urls[*]}
  nodes=("$folder"/?/data)
}

start_redis() { # server
  local user folder
  user=$(account redis)
  folder=$(folder_of redis "$user")
  launch Redis "$folder" "$user" "eady to accept connections" \
    "$1" --port PORT --bind 127.0.0.1 --save "" --appendonly no --daemonize no
  url="redis://127.0.0.1:$port/"
}

start_mysql8() { # server
  local user folder
  user=$(account mysql)
  folder=$(folder_of mysql8 "$user")
  folder_of mysql8/tmp "$user" >/dev/null
  prepare "$folder" "$user" "$1" --no-defaults --initialize-insecure --secure-file-priv=NULL \
    --datadir="$folder/data" --tmpdir="$folder/tmp"
  # The newer default method requires TLS or RSA for the first login.
  start_mysql_family "MySQL 8" "$1" "$folder" "$user" "IDENTIFIED WITH mysql_native_password BY" \
    --loose-mysql-native-password=ON --mysqlx=OFF --secure-file-priv=NULL
}

start_mysql_family() { # name, server, folder, account, how the password is given, options...
  local name=$1 server=$2 folder=$3 user=$4 identified=$5 secret
  shift 5
  secret=$(password)
  mysql_accounts "$secret" "$identified" >"$folder/init.sql"
  chmod 644 "$folder/init.sql" # only the account can enter its folder
  launch "$name" "$folder" "$user" "ready for connections" \
    "$server" "${mysql_options[@]}" --datadir="$folder/data" --init-file="$folder/init.sql" \
    --tmpdir="$folder/tmp" --skip-log-bin "$@"
  url="mysql://session:$secret@127.0.0.1:$port/mysql"
}

# What all servers of the MySQL family are started with.
mysql_options=(
  --no-defaults --port=PORT --bind-address=127.0.0.1 --socket=server.sock --pid-file=server.pid
  --skip-name-resolve --max-connections="$connections" --character-set-server=utf8mb4
  --performance-schema=OFF --innodb-flush-log-at-trx-commit=0 --loose-innodb-flush-method=nosync
  --skip-innodb-doublewrite --innodb-stats-persistent=OFF --loose-innodb-fast-shutdown=2
)

# Prints the statements that create the account of the tests. Root has no password
# after the set-up, so it is removed before the port opens.
mysql_accounts() { # password, how it is given
  cat <<SQL
CREATE USER 'session'@'%' $2 '$1';
GRANT ALL ON *.* TO 'session'@'%' WITH GRANT OPTION;
DROP USER IF EXISTS 'root'@'localhost', 'root'@'127.0.0.1', 'root'@'::1', 'root'@'$(uname -n)';
SQL
}
