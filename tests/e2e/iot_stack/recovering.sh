#!/bin/sh
# Two servers that live and are not ready for a long time: `cache`, a Redis that loads its data, and `standby`, a PostgreSQL
# in recovery.
trap 'exit 0' TERM INT
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

cache_starts() {
    mkdir -p /srv/redis
    if [ ! -e /srv/redis/dump.rdb ]; then
        redis-server --dir /srv/redis --save '' --unixsocket /srv/redis/socket --port 0 >/dev/null &
        until redis-cli -s /srv/redis/socket ping >/dev/null 2>&1; do sleep 0.1; done
        busybox seq 80000 | busybox awk '{print "SET key" $1 " a-value-that-takes-some-room"}' |
            redis-cli -s /srv/redis/socket --pipe >/dev/null
        redis-cli -s /srv/redis/socket shutdown save
        wait
    fi
    # Key by key, as slowly as a file of many gigabytes; in between, some times a second, it answers.
    redis-server --dir /srv/redis --protected-mode no --save '' --key-load-delay 5000 \
        --loading-process-events-interval-bytes 1024 &
}

standby_starts() {
    bin=$(echo /usr/lib/postgresql/*/bin) data=/srv/postgres/data
    as_postgres='setpriv --reuid postgres --regid postgres --init-groups'
    if [ ! -e $data/standby.signal ]; then
        mkdir -p /srv/postgres
        chown postgres: /srv/postgres
        $as_postgres "$bin/initdb" -D $data --no-sync -A trust >/dev/null
        echo 'host all all all trust' >>$data/pg_hba.conf
        $as_postgres touch $data/standby.signal
    fi
    $as_postgres "$bin/postgres" -D $data -h '*' -k /tmp -c hot_standby=off -c jit=off -c shared_buffers=16MB &
}

case $1 in
cache) cache_starts ;;
standby) standby_starts ;;
esac
while :; do
    sleep 3600 &
    wait $!
done
