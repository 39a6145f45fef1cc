# shellcheck shell=bash
# What `up` and `down` share: where the state is, whether an engine answers, what must be installed.
# Sourced, never run.
# shellcheck disable=SC2034 # what is set here is used by the scripts that source this

DEFAULT_HOST=unix:///var/run/docker.sock
HOST=${DOCKER_HOST:-$DEFAULT_HOST}

# Everything the engine started here owns lies below these two. The data root is its own, so that an engine
# someone installed but did not start keeps its containers and images to itself.
if [ "$(id -u)" = 0 ] && [ -w /run ]; then
    STATE=/run/portreeve-test
else
    STATE=${XDG_RUNTIME_DIR:-/tmp}/portreeve-test
fi
DATA=/var/lib/portreeve-test

# Who speaks, and what would do in place of Debian's packages.
WHO=engine
ELSEWHERE="Docker Engine 20.10 or later, a static busybox at /bin/busybox, iptables, iproute2, git), or point DOCKER_HOST at an engine"
say() { echo "$WHO: $*"; }
die() {
    echo "$WHO: $*" >&2
    exit 1
}

# Whether an engine answers at $1. Bare machines lack curl; perl is essential on Debian.
answers() {
    local host=$1 socket=${1#unix://}
    if [ "$socket" = "$host" ]; then
        case $host in
        tcp://*) command -v curl >/dev/null && curl -fsS -m 3 "http://${host#tcp://}/_ping" >/dev/null 2>&1 && return ;;
        esac
        command -v docker >/dev/null && timeout 5 docker -H "$host" version >/dev/null 2>&1
    elif [ ! -S "$socket" ]; then
        return 1
    elif command -v curl >/dev/null; then
        curl -fsS -m 3 --unix-socket "$socket" http://engine/_ping >/dev/null 2>&1
    elif command -v perl >/dev/null; then
        perl -MIO::Socket::UNIX -e 'alarm 3; my $s = IO::Socket::UNIX->new(Peer => shift) or exit 1;
            print $s "GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n"; exit(<$s> =~ / 200 / ? 0 : 1)' "$socket" 2>/dev/null
    else
        command -v docker >/dev/null && timeout 5 docker -H "$host" version >/dev/null 2>&1
    fi
}

# Whether an engine runs here that is none of the tests' own, and may be about to answer.
someone_starts_one() {
    local comm
    for comm in /proc/[0-9]*/comm; do
        if [ "$(cat "$comm" 2>/dev/null)" = dockerd ] && ! grep -q portreeve- "${comm%comm}cmdline" 2>/dev/null; then
            return 0
        fi
    done
    return 1
}

# The test image is one static busybox; a dynamic one would need its libraries.
static_busybox() {
    [ -x /bin/busybox ] && ! ldd /bin/busybox 2>/dev/null | grep -q '=>'
}

# Installs what is missing of the packages named: only on Debian, only as root.
install_packages() {
    if [ "$(id -u)" != 0 ] || [ ! -e /etc/debian_version ]; then
        die "missing: $*. Install them (Debian names; elsewhere: $ELSEWHERE, and run this again"
    fi
    say "installing $*"
    local log=$STATE/install.log
    mkdir -p "$STATE"
    if ! { DEBIAN_FRONTEND=noninteractive apt-get update &&
        DEBIAN_FRONTEND=noninteractive apt-get install -o DPkg::Lock::Timeout=300 --no-install-recommends -y "$@"; } >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        die "could not install $*; the whole output is in $log"
    fi
}

# The same for packages with services, which are not started.
install_silently() {
    # Debian's way to say that packages must not start their services.
    local policy=/usr/sbin/policy-rc.d
    if [ "$(id -u)" = 0 ] && [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    install_packages "$@"
}

# The pid that `up` recorded, if that process is still the engine it started and not a stranger's reused pid.
own_pid() {
    local pid
    pid=$(cat "$STATE/dockerd.pid" 2>/dev/null) || return 1
    [ -n "$pid" ] && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q -- "--data-root=$DATA " || return 1
    echo "$pid"
}
