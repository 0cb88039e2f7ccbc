# shellcheck shell=bash
# shellcheck disable=SC2154 # work comes from with-databases, which sources this
# Finds the binaries of the servers and one library and, on Debian as root, installs them.

# Prints the folder of the newest PostgreSQL binaries.
find_postgres() {
  local folder
  if command -v postgres >/dev/null && command -v initdb >/dev/null; then
    dirname "$(readlink -f "$(command -v postgres)")"
    return
  fi
  for folder in $(printf '%s\n' /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/local/pgsql/bin | sort -rV); do
    if [ -x "$folder/postgres" ] && [ -x "$folder/initdb" ]; then
      echo "$folder"
      return
    fi
  done
  return 1
}

# Prints each installed server of the MySQL family, one path a line.
mysql_family() {
  local name folder
  for name in mariadbd mysqld; do
    command -v "$name" || true
    for folder in /usr/sbin /usr/libexec /usr/local/sbin /usr/local/mysql/bin; do
      if [ -x "$folder/$name" ]; then echo "$folder/$name"; fi
    done
  done
}

# Prints the path of MariaDB's server, which may be named `mysqld`.
find_mariadb() {
  local server
  for server in $(mysql_family); do
    case $("$server" --no-defaults --version 2>/dev/null) in *MariaDB*)
      if install_db_of "$server" >/dev/null; then
        echo "$server"
        return
      fi ;;
    esac
  done
  return 1
}

# Prints the path of a server that is MySQL 8, not MariaDB.
find_mysql8() {
  local server
  for server in $(mysql_family); do
    case $("$server" --no-defaults --version 2>/dev/null) in
      *MariaDB*) ;;
      *"Ver 8."*) echo "$server"; return ;;
    esac
  done
  return 1
}

# Prints the path of Galera's library, with which MariaDB servers form a cluster.
find_galera() {
  local library
  command -v rsync >/dev/null || return 1
  for library in /usr/lib/galera/libgalera_smm.so /usr/lib*/galera*/libgalera_smm.so /usr/local/lib/libgalera_smm.so; do
    if [ -e "$library" ]; then
      echo "$library"
      return
    fi
  done
  return 1
}

find_redis() {
  command -v redis-server || command -v valkey-server
}

# Prints the path of the library that sets the clock of a process with threads.
find_faketime() {
  local library
  for library in /usr/lib/*/faketime/libfaketimeMT.so.1 /usr/lib*/faketime/libfaketimeMT.so.1 /usr/local/lib/faketime/libfaketimeMT.so.1; do
    if [ -e "$library" ]; then
      echo "$library"
      return
    fi
  done
  return 1
}

# Prints the program that initialises the data directory of a MariaDB server.
install_db_of() {
  local name place folder
  folder=$(dirname "$1")
  for name in mariadb-install-db mysql_install_db; do
    for place in "$folder" "$folder/../bin" "$folder/../scripts" /usr/bin; do
      if [ -x "$place/$name" ]; then echo "$place/$name"; return; fi
    done
  done
  return 1
}

# Prints what FIND prints; if that fails, installs PACKAGES and tries again.
find_or_install() { # find, packages...
  "$1" && return
  can_install || return 1
  install_packages "${@:2}" >&2 || return 1
  "$1"
}

can_install() {
  [ "$(id -u)" -eq 0 ] && [ -e /etc/debian_version ] && command -v apt-get >/dev/null
}

# A subshell, so that its trap removes the policy in any case.
install_packages() ( # packages...
  policy=/usr/sbin/policy-rc.d
  log="$work/install-$1.log"
  if [ ! -e "$policy" ]; then
    # Packages ask this script before they start a service: 101 forbids it.
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  echo "installing $* ..."
  export DEBIAN_FRONTEND=noninteractive
  if ! { apt-get update && apt-get install -y --no-install-recommends "$@"; } >"$log" 2>&1 </dev/null; then
    echo "installing $* failed:"
    tail -n 20 "$log"
    return 1
  fi
)
