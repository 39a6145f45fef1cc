#!/bin/sh
# What each container of the stack runs: entry.sh NAME. The servers are Debian's, and kafka is the mock cluster of
# librdkafka, which speaks the protocol and keeps nothing. This shell is PID 1: it ends at once when it is told to, and it
# does not end with its server, so that there is something to heal.
trap 'exit 0' TERM INT
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

mosquitto_starts() {
    mkdir -p /srv/mosquitto
    cat >/srv/mosquitto/config <<END
listener 1883
allow_anonymous false
password_file /srv/mosquitto/passwords
END
    mosquitto_passwd -b -c /srv/mosquitto/passwords portreeve "$MQTT_PASSWORD"
    chown -R mosquitto: /srv/mosquitto
    mosquitto -c /srv/mosquitto/config &
}

zookeeper_starts() {
    mkdir -p /srv/zookeeper
    cat >/srv/zookeeper/zoo.cfg <<END
dataDir=/srv/zookeeper
clientPort=2181
admin.enableServer=false
4lw.commands.whitelist=ruok
END
    java -Xmx64m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp '/usr/share/java/*' \
        org.apache.zookeeper.server.quorum.QuorumPeerMain /srv/zookeeper/zoo.cfg &
}

# The mock listens on loopback only, where it says.
kafka_starts() {
    : >/tmp/kcat.log
    kcat -b x -X test.mock.num.brokers=1 -C -t demo -u 2>>/tmp/kcat.log &
    until port=$(sed -n 's/.*127\.0\.0\.1:\([0-9][0-9]*\).*/\1/p' /tmp/kcat.log | head -n 1) && [ -n "$port" ]; do
        sleep 0.1
    done
    socat TCP-LISTEN:9092,fork,reuseaddr "TCP:127.0.0.1:$port" &
}

# A PostgreSQL with one database, in which the user portreeve reads one table.
postgres_starts() { # DATABASE TABLE
    bin=$(echo /usr/lib/postgresql/*/bin) data=/srv/postgres/data
    as_postgres='setpriv --reuid postgres --regid postgres --init-groups'
    if [ ! -e /srv/postgres/made ]; then
        rm -rf /srv/postgres
        mkdir -p /srv/postgres
        chown postgres: /srv/postgres
        $as_postgres "$bin/initdb" -D $data --no-sync -A trust >/dev/null
        # In single-user mode a line is a statement.
        $as_postgres "$bin/postgres" --single -D $data postgres >/dev/null <<END
CREATE USER portreeve PASSWORD '$POSTGRES_PASSWORD'
CREATE DATABASE $1 OWNER portreeve
END
        $as_postgres "$bin/postgres" --single -D $data "$1" >/dev/null <<END
CREATE TABLE $2 (id int PRIMARY KEY)
GRANT SELECT ON $2 TO portreeve
END
        echo 'host all all all scram-sha-256' >>$data/pg_hba.conf
        touch /srv/postgres/made
    fi
    # Left by one that was killed.
    rm -f $data/postmaster.pid
    $as_postgres "$bin/postgres" -D $data -h '*' -k /tmp -c jit=off -c shared_buffers=16MB &
}

application_starts() {
    mkdir -p /srv/www
    echo '{"status": "up"}' >/srv/www/health
    busybox httpd -f -p 8080 -h /srv/www &
}

case $1 in
mosquitto) mosquitto_starts ;;
zookeeper) zookeeper_starts ;;
kafka) kafka_starts ;;
postgres) postgres_starts devices parameters ;;
timescaledb) postgres_starts measurements readings ;;
*) application_starts ;;
esac
while :; do
    sleep 3600 &
    wait $!
done
