#!/bin/sh
# Starts Quarry. With a new data folder and POSTGRES_PASSWORD, first gives the superuser that password: the default
# rules trust only connections from inside the container and ask all others for a password.
set -eu

data=${QUARRY_DATA:?}
if [ "${1:-}" = start ] && [ ! -e "$data/pg_hba.conf" ] && [ -n "${POSTGRES_PASSWORD:-}" ]; then
    quarry start --listen 127.0.0.1 --port 5432 &
    server=$!
    tries=0
    until pg_isready -q -h 127.0.0.1 -p 5432; do
        tries=$((tries + 1))
        if [ "$tries" -gt 300 ] || ! kill -0 "$server" 2>/dev/null; then
            echo "the server did not start" >&2
            exit 1
        fi
        sleep 0.2
    done
    # The password is read by psql itself, so that it is on no command line.
    psql -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -U postgres -d postgres <<'SQL'
\getenv password POSTGRES_PASSWORD
ALTER ROLE postgres PASSWORD :'password';
SQL
    kill -TERM "$server"
    wait "$server"
fi
unset POSTGRES_PASSWORD
exec quarry "$@"
