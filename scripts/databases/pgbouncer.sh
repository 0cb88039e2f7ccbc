# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # work, here, url and servers are shared with with-databases, which sources this
# Starts PgBouncer in transaction mode in front of a PostgreSQL that runs: version 1.21 or later, which
# keeps prepared statements. Where Debian has an older one, a newer one is built from its sources.

pgbouncer_version=1.24.1
pgbouncer_sha256=da72a3aba13072876d055a3e58dd4aba4a5de4ed6148e73033185245598fd3e0

# Prints the path of a PgBouncer that is new enough.
find_pgbouncer() {
  local program version
  for program in $(command -v pgbouncer) "$(pgbouncer_folder)/pgbouncer"; do
    version=$("$program" --version 2>/dev/null | awk 'NR == 1 { print $2 }')
    if [ -n "$version" ] && printf '1.21\n%s\n' "$version" | sort -VC; then
      echo "$program"
      return
    fi
  done
  return 1
}

pgbouncer_folder() { echo "${CARGO_TARGET_DIR:-$here/../target}/pgbouncer-$pgbouncer_version"; }

# Builds it from the sources of a later Debian, whose packages do not run on an older one.
build_pgbouncer() {
  local folder archive packages
  can_install || return 1
  install_packages gcc make pkg-config libevent-dev libssl-dev curl >&2 || return 1
  folder=$(pgbouncer_folder)
  archive=pool/main/p/pgbouncer/pgbouncer_$pgbouncer_version.orig.tar.gz
  packages=$(apt-get indextargets --format '$(REPO_URI)' | grep -v security | head -n 1)
  mkdir -p "$folder"
  {
    curl --silent --show-error --fail --output "$work/pgbouncer.tar.gz" "$packages$archive" &&
      echo "$pgbouncer_sha256  $work/pgbouncer.tar.gz" | sha256sum --check &&
      tar -xzf "$work/pgbouncer.tar.gz" -C "$folder" --strip-components=1 &&
      cd "$folder" && ./configure --without-cares && make -j2
  } >"$work/pgbouncer-build.log" 2>&1 || { tail -n 20 "$work/pgbouncer-build.log" >&2; return 1; }
}

# Leaves the address in $url.
start_pgbouncer() { # program, address of the PostgreSQL
  local user folder secret server
  user=$(account postgres)
  folder=$(folder_of pgbouncer "$user")
  secret=${2#postgres://session:}
  server=${secret#*@127.0.0.1:}
  secret=${secret%%@*}
  printf '"session" "%s"\n' "$secret" >"$folder/users"
  # The account may not enter the folder where it was built.
  cp "$1" "$folder/program"
  pgbouncer_settings "${server%%/*}" "$folder/users" >"$folder/settings"
  chmod 644 "$folder/users" "$folder/settings" # only the account can enter its folder
  launch PgBouncer "$folder" "$user" "process up" \
    sh -c "sed s/LISTEN/PORT/ settings >settings.ini && exec ./program settings.ini"
  url="postgres://session:$secret@127.0.0.1:$port/postgres"
}

pgbouncer_settings() { # port of the server, file of the users
  cat <<INI
[databases]
* = host=127.0.0.1 port=$1
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = LISTEN
unix_socket_dir =
auth_type = plain
auth_file = $2
pool_mode = transaction
max_prepared_statements = 200
ignore_startup_parameters = extra_float_digits,options
max_client_conn = $connections
default_pool_size = 20
INI
}
