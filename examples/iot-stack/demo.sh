#!/usr/bin/env bash
# Brings the stack up, breaks it in four ways, shows what Portreeve says and does, and cleans up. `make iot-stack` runs it.
# Everything it makes carries the label portreeve.test=<run>, and is removed however it ends.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

run="iot-$$"
image="portreeve-$run:1"
work=$(mktemp -d "${TMPDIR:-/tmp}/portreeve-iot.XXXXXX")
portreeve=

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi
title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
you() { printf '%s  you        │ %s%s\n' "$dim" "$*" "$plain"; }

clean_up() {
    status=$?
    trap - EXIT INT TERM
    if [ -n "$portreeve" ]; then
        kill "$portreeve" 2>/dev/null || true
        wait "$portreeve" 2>/dev/null || true
    fi
    docker ps -aq --filter "label=portreeve.test=$run" | xargs -r docker rm -fv >/dev/null
    docker image rm -f "$image" >/dev/null 2>&1 || true
    if [ "$status" != 0 ] && [ -s "$work/portreeve.log" ]; then
        printf '\nThe demonstration failed. The last lines of the log:\n' >&2
        tail -n 20 "$work/portreeve.log" >&2
    fi
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

command -v docker >/dev/null || { echo "demo: the docker command is missing (Debian: apt-get install docker.io)" >&2; exit 1; }

free_port() { # FIRST
    local port=$1
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    echo "$port"
}

# As the manifests name them; whoever has containers of these names keeps them.
services=(mosquitto zookeeper kafka postgres timescaledb mqtt-kafka-connector data-processor kafka-timescale-sink f2-simulator)
for name in "${services[@]}"; do
    if docker container inspect "$name" >/dev/null 2>&1; then
        echo "demo: there is a container '$name' already; the example's own would need its name" >&2
        exit 1
    fi
done

title "Building (the first time takes a few minutes)"
cargo build --quiet --bin portreeve
target=${CARGO_TARGET_DIR:-target}/debug
docker import --change "LABEL portreeve.test=$run" --change 'ENV PATH=/usr/sbin:/usr/bin' "$(tests/engine/rootfs)" "$image" >/dev/null

title "The stack starts: nine containers"
password="demo-$RANDOM$RANDOM"
for name in "${services[@]}"; do
    docker create --name "$name" --label "portreeve.test=$run" -e "MQTT_PASSWORD=$password" -e "POSTGRES_PASSWORD=$password" \
        "$image" /entry.sh "$name" >/dev/null
    # Copied, since the engine may be on another machine.
    docker cp -q examples/iot-stack/entry.sh "$name:/entry.sh"
    docker start "$name" >/dev/null
done

# The example's own files; what is changed is where the password lies, and how patient they are.
mkdir "$work/manifests"
printf '%s\n' "$password" >"$work/postgres"
for file in examples/iot-stack/*.yaml; do
    sed "s|/run/secrets/postgres|$work/postgres|; s/periodSeconds: 10\$/periodSeconds: 1/" "$file" >"$work/manifests/${file##*/}"
done
# The built-in policy would heal other containers of this machine, too.
cat >"$work/manifests/default.yaml" <<YAML
apiVersion: portreeve/v1
kind: AutohealPolicy
metadata: {name: default}
spec: {selector: {labels: {portreeve.test: "$run"}}}
YAML
http=$(free_port 8000)
export PORTREEVE_SERVER="http://127.0.0.1:$http"
PORTREEVE_SECRET_MQTT=$password PORTREEVE_SECRET_TIMESCALE=$password "$target/portreeve" run --config-dir "$work/manifests" \
    --state-dir "$work/state" --listen "127.0.0.1:$http" 2>"$work/portreeve.log" &
portreeve=$!
for _ in $(seq 300); do
    if grep -q 'Event listener started' "$work/portreeve.log"; then break; fi
    sleep 0.1
done

# Waits until services are up or down, and shows what is said of the stack then; of one that is up again the log says it.
show() { # up|down SERVICE…
    local wanted=$1 condition=Ready
    [ "$wanted" = up ] || condition=Ready=False
    shift
    for name in "$@"; do
        "$target/portreeve" wait --for "condition=$condition" --timeout 120s "svc/$name" >/dev/null
    done
    if [ "$wanted" = down ] || [ $# -gt 1 ]; then
        "$target/portreeve" get svc | sed 's/^/  /'
    fi
}
show up "${services[@]}"

# From here on what is decided is shown as it comes. `tail` ends with this script.
tail -n 0 -f --pid=$$ "$work/portreeve.log" |
    sed -un '/ServiceDown\|ServiceRecovered\|Restarted \|Skipped/ s/^[^ ]* *[A-Z]* [a-z:]*: /  portreeve  │ /p' &

title "1. A port is closed: the broker's process ends, its container runs on"
you "docker exec mosquitto busybox killall mosquitto"
docker exec mosquitto busybox killall mosquitto
show down mosquitto
show up mosquitto

title "2. A server hangs: the port is open, and nothing comes"
you "docker exec timescaledb busybox killall -STOP postgres"
docker exec timescaledb busybox killall -STOP postgres
show down timescaledb
show up timescaledb

title "3. A stop by hand is respected, and its dependents are not reported"
you "docker stop zookeeper"
docker stop zookeeper >/dev/null
show down zookeeper
you "docker start zookeeper"
docker start zookeeper >/dev/null
show up zookeeper

title "4. A wrong password: the server's answer is the reason, and no container is restarted for it"
you "echo wrong >/run/secrets/postgres"
echo wrong >"$work/postgres"
show down postgres
printf '%s\n' "$password" >"$work/postgres"
show up postgres

title "Done: everything is cleaned up. Next: the files of examples/iot-stack, and your own"
