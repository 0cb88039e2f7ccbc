# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # work, url and servers are shared with with-databases, which sources this
# Starts PostgreSQL as it is run where it may fail: a primary with a synchronous standby under
# Patroni, etcd, and HAProxy in front, which leads to whichever node is the primary.

# Prints what is missing of it, and succeeds if nothing is.
find_patroni() {
  local program
  for program in patroni etcd haproxy; do command -v "$program" || return 1; done
}

# Leaves the address of HAProxy in $url, and in $nodes for each node the address by which
# Patroni is asked and the folder of its data, with an equals sign in between.
start_patroni() { # folder of the binaries
  local user folder secret peer etcd node
  user=$(account postgres)
  folder=$(folder_of patroni "$user")
  secret=$(password)
  peer=http://127.0.0.1:$(free_port)
  folder_of patroni/etcd "$user" >/dev/null
  launch etcd "$folder/etcd" "$user" "ready to serve client requests" \
    etcd --data-dir="$folder/etcd/data" --listen-client-urls=http://127.0.0.1:PORT \
    --advertise-client-urls=http://127.0.0.1:PORT --listen-peer-urls="$peer" \
    --initial-advertise-peer-urls="$peer" --initial-cluster="default=$peer" --unsafe-no-fsync
  etcd=127.0.0.1:$port
  nodes=()
  local servers_of_haproxy=
  for node in 1 2; do
    local api
    api=127.0.0.1:$(free_port)
    folder_of "patroni/$node" "$user" >/dev/null
    patroni_settings "$node" "$folder/$node" "$1" "$etcd" "$api" "$secret" >"$folder/$node/patroni.yml"
    chmod 644 "$folder/$node/patroni.yml" # only the account can enter its folder
    launch "PostgreSQL under Patroni ($node)" "$folder/$node" "$user" "no action. I am (node$node)" \
      env --default-signal=QUIT PATRONI_POSTGRESQL_LISTEN=127.0.0.1:PORT PATRONI_POSTGRESQL_CONNECT_ADDRESS=127.0.0.1:PORT \
      "$here/databases/end-at-quit" "$folder/$node/data" patroni "$folder/$node/patroni.yml"
    servers_of_haproxy+="  server node$node 127.0.0.1:$port check port ${api#*:}"$'\n'
    nodes+=("http://$api=$folder/$node/data")
  done
  haproxy_settings "$servers_of_haproxy" >"$folder/haproxy.cfg"
  chmod 644 "$folder/haproxy.cfg"
  launch HAProxy "$folder" "$user" "polling mechanism" env --default-signal=QUIT LISTEN=PORT "$here/databases/end-at-quit" none "$(command -v haproxy)" -V -db -f "$folder/haproxy.cfg"
  url="postgres://session:$secret@127.0.0.1:$port/postgres"
}

# A killed primary is replaced at once, by a standby that has all that was confirmed.
patroni_settings() { # number, folder, binaries, etcd, api, password
  cat <<YML
scope: session
name: node$1
restapi: {listen: '$5', connect_address: '$5'}
etcd3: {host: '$4'}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 1
    retry_timeout: 3
    primary_start_timeout: 0
    synchronous_mode: true
    postgresql:
      use_pg_rewind: true
      parameters: {max_connections: $connections, max_wal_size: 1GB, wal_keep_size: 1GB, jit: 'off'}
  initdb: [{encoding: UTF8}, {locale: C}]
  pg_hba:
    - host all all 127.0.0.1/32 md5
    - host replication all 127.0.0.1/32 md5
postgresql:
  data_dir: $2/data
  bin_dir: $3
  pgpass: $2/pgpass
  parameters: {unix_socket_directories: '', fsync: 'off'}
  authentication:
    superuser: {username: session, password: '$6'}
    replication: {username: replicator, password: '$6'}
    rewind: {username: rewind, password: '$6'}
YML
}

haproxy_settings() { # lines of the servers
  cat <<CFG
defaults
  mode tcp
  retries 1
  timeout connect 1s
  timeout client 1h
  timeout server 1h
  timeout check 1s
listen primary
  bind 127.0.0.1:"\${LISTEN}"
  option httpchk OPTIONS /primary
  http-check expect status 200
  default-server inter 300ms fall 2 rise 1 on-marked-down shutdown-sessions
$1
CFG
}
