#!/usr/bin/env bash
# Replace the servers of compose.department.yaml by containers of the newest image, one after another, without failing a
# request: a server is stopped only while all others get requests, and finishes its answers first.
#
#     docker compose -f docker/compose.department.yaml build storm && docker/rolling_restart.sh
#
# COMPOSE: the command of Compose with its options. WAIT_SECONDS: time for a new server to get requests.
set -euo pipefail
cd "$(dirname "$0")"
read -ra compose <<<"${COMPOSE:-docker compose -f compose.department.yaml}"
wait_seconds=${WAIT_SECONDS:-180}

mapfile -t servers < <("${compose[@]}" ps --quiet storm)
balancer=$("${compose[@]}" ps --quiet balancer)
if [ ${#servers[@]} -lt 2 ] || [ -z "$balancer" ]; then
    echo "rolling_restart: ${#servers[@]} servers run; two or more and the balancer are needed. Set STORM_SERVERS" >&2
    exit 1
fi

# Print the number of servers to which the balancer sends requests.
ready() {
    docker exec "$balancer" bash -c 'exec 3<>/dev/tcp/127.0.0.1/8404 && printf "GET /servers HTTP/1.0\r\n\r\n" >&3 &&
        mapfile -t lines <&3 && echo "${lines[-1]}"' 2>/dev/null || echo 0
}

wait_for_all() {
    local deadline=$((SECONDS + wait_seconds))
    until [ "$(ready)" -eq ${#servers[@]} ]; do
        if [ "$SECONDS" -gt "$deadline" ]; then
            echo "rolling_restart: $(ready) of ${#servers[@]} servers are ready after $wait_seconds s; see their logs" >&2
            exit 1
        fi
        sleep 0.5
    done
}

wait_for_all
for server in "${servers[@]}"; do
    echo "rolling_restart: replaces ${server:0:12}"
    # SIGTERM, and the grace period of compose.department.yaml.
    docker stop --time 45 "$server" >/dev/null
    docker rm "$server" >/dev/null
    "${compose[@]}" up --detach --no-deps --no-recreate storm
    wait_for_all
done
echo "rolling_restart: ${#servers[@]} servers are new"
