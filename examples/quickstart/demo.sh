#!/usr/bin/env bash
# The main job in a minute: containers are registered, billed and healed, then all is cleaned up. `make demo` runs it.
# Everything it makes carries the label portreeve.test=<run>, and is removed however it ends.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

run="demo-$$"
work=$(mktemp -d "${TMPDIR:-/tmp}/portreeve-demo.XXXXXX")
pids=()

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi
title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
you() { printf '%s  you        │ %s%s\n' "$dim" "$*" "$plain"; }

clean_up() {
    status=$?
    trap - EXIT INT TERM
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    docker ps -aq --filter "label=portreeve.test=$run" | xargs -r docker rm -f >/dev/null
    docker image rm -f "portreeve-$run:1" >/dev/null 2>&1 || true
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
busybox=$(command -v busybox) || { echo "demo: a static busybox is missing (Debian: apt-get install busybox-static)" >&2; exit 1; }

# Waits until a file holds a line that matches, at most 30 s; a failure says what was waited for.
await() { # FILE PATTERN WHAT
    for _ in $(seq 300); do
        if grep -qE "$2" "$1" 2>/dev/null; then return; fi
        sleep 0.1
    done
    echo "demo: $3 did not happen within 30 s" >&2
    exit 1
}

free_port() { # FIRST
    local port=$1
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    echo "$port"
}

title "Building (the first time takes a few minutes)"
cargo build --quiet --bin portreeve --example receiver
target=${CARGO_TARGET_DIR:-target}/debug

# A small image made of busybox alone: no registry is needed.
mkdir -p "$work/root/bin" && cp "$busybox" "$work/root/bin/busybox" && ln -s busybox "$work/root/bin/sh"
for name in sleep true touch test rm; do ln -s busybox "$work/root/bin/$name"; done
mkdir "$work/root/tmp"
image="portreeve-$run:1"
tar -C "$work/root" -c . | docker import --change "LABEL portreeve.test=$run" - "$image" >/dev/null
# PID 1 that stops when it is told to.
loop='trap "exit 0" TERM; while :; do sleep 1 & wait $!; done'

# The example's own files, on ports that are free on this machine.
discovery=$(free_port 7000) billing=$(free_port 8001) http=$(free_port 8000)
mkdir "$work/manifests"
for file in examples/quickstart/*.yaml; do
    sed "s/:7000/:$discovery/; s/:8001/:$billing/" "$file" >"$work/manifests/${file##*/}"
done

title "A receiver plays the Discovery and the Billing Service"
"$target/examples/receiver" --accept-again --discovery-listen "127.0.0.1:$discovery" \
    --billing-listen "127.0.0.1:$billing" >"$work/receiver.log" &
pids+=($!)
await "$work/receiver.log" 'Billing +listens' "the receiver's start"
sed 's/^/  receiver   │ /' "$work/receiver.log"

title "Portreeve watches this machine's engine, as examples/quickstart says"
"$target/portreeve" run --config-dir "$work/manifests" --state-dir "$work/state" \
    --listen "127.0.0.1:$http" 2>"$work/portreeve.log" &
portreeve=$!
pids+=("$portreeve")
await "$work/portreeve.log" 'Event listener started' "Portreeve's connection to the engine"
echo "  portreeve  │ ready on http://127.0.0.1:$http (metrics, events), connected to the engine"

# From here on everybody talks at once: what is said is shown as it comes.
# `tail` ends with this script.
tail -n +3 -f --pid=$$ "$work/receiver.log" |
    sed -u 's/^\(Discovery\|Billing  \) */  \L\1  │ /; s/ at 20[^ ]*T\([0-9:.]*\)[^ ]*/ at \1/' &
tail -n 0 -f --pid=$$ "$work/portreeve.log" |
    sed -un 's/\([0-9a-f]\{12\}\)[0-9a-f]\{52\}/\1/g
             /Auto-monitoring\|state changed\|Restart\|Recovered\|Failed to notify\|Skipped/ s/^[^ ]* *[A-Z]* [a-z:]*: /  portreeve  │ /p' &

title "1. Two containers start; one asks to be healed"
you "docker run -d --name demo-web-$$ -p 80 --memory 256m --cpus 0.5 …"
docker run -d --name "demo-web-$$" --label "portreeve.test=$run" -p 80 --memory 256m --cpus 0.5 "$image" sh -c "$loop" >/dev/null
you "docker run -d --name demo-app-$$ --label autoheal=true --health-cmd 'test ! -f /tmp/sick' …"
docker run -d --name "demo-app-$$" --label "portreeve.test=$run" --label autoheal=true \
    --health-cmd 'test ! -f /tmp/sick' --health-interval 1s --health-retries 2 "$image" sh -c "rm -f /tmp/sick; $loop" >/dev/null
web=$(docker inspect -f '{{.Id}}' "demo-web-$$") app=$(docker inspect -f '{{.Id}}' "demo-app-$$")
for id in "$web" "$app"; do await "$work/portreeve.log" "Billing Service notified: started for $id" "the first bill"; done

title "2. The second falls sick: its health check fails, it is restarted at once"
you "docker exec demo-app-$$ touch /tmp/sick"
docker exec "demo-app-$$" touch /tmp/sick
await "$work/portreeve.log" "Restarted 'demo-app-$$'" "the restart"
await "$work/portreeve.log" "Recovered 'demo-app-$$'" "the recovery"

title "3. A container that lives for a moment is billed all the same"
you "docker run --rm --name demo-job-$$ … true"
docker run --rm --name "demo-job-$$" --label "portreeve.test=$run" "$image" true
await "$work/receiver.log" 'Billing +removed' "the bill of a short life"

title "4. Portreeve is killed; meanwhile a container is stopped. Nothing is lost"
you "kill -9 portreeve; docker stop demo-web-$$"
kill -9 "$portreeve"
wait "$portreeve" 2>/dev/null || true
docker stop "demo-web-$$" >/dev/null
you "portreeve run …"
"$target/portreeve" run --config-dir "$work/manifests" --state-dir "$work/state" \
    --listen "127.0.0.1:$http" 2>>"$work/portreeve.log" &
pids+=($!)
await "$work/portreeve.log" "Billing Service notified: stopped for $web" "the bill of what happened meanwhile"

title "5. Both are removed"
you "docker rm -f demo-web-$$ demo-app-$$"
docker rm -f "demo-web-$$" "demo-app-$$" >/dev/null
for id in "$web" "$app"; do await "$work/portreeve.log" "Billing Service notified: removed for $id" "the last bill"; done
sleep 0.3 # for the lines above to be shown

title "What Portreeve remembers of demo-app-$$ (GET /api/events)"
events=$(exec 3<>"/dev/tcp/127.0.0.1/$http" && printf 'GET /api/events?container=demo-app-%s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$$" >&3 && cat <&3)
printf '%s\n' "$events" | sed 's/},{/\n/g' |
    sed -n 's/.*"timestamp":"[^T]*T\([0-9:.]*\)Z".*"event_type":"\([^"]*\)".*"message":"\([^"]*\)".*/\1\t\2\t\3/p' |
    tac | sort -s -t$'\t' -k1,1 | awk -F'\t' '{printf "  %s  %-13s %s\n", $1, $2, $3}'

title "Done: everything is cleaned up. Next: README.md, and examples/ for more to declare"
