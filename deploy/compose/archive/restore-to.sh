#!/bin/sh
# restore-to BASE [MOMENT [TIMELINE]]: puts a base backup in the place of PostgreSQL's data. At its next start the server follows the
# archived log to that moment, or to the end, and goes on from there. What was in its place stays beside it. Run while it is stopped.
set -eu
archive=${ARCHIVE:-/archive}
base=$archive/base/$1/base.tar.gz
test -r "$base"
[ ! -e "$PGDATA" ] || mv "$PGDATA" "$PGDATA.before-$(date +%Y%m%dT%H%M%S)"
install -d -m 700 "$PGDATA"
tar --extract --gzip --file "$base" --directory "$PGDATA"
# Each of them, also where it is not given: a backup of a server that was restored itself has what that was told.
{
  echo "restore_command = 'gunzip -c $archive/wal/%f.gz >%p'"
  echo "recovery_target_action = 'promote'"
  echo "recovery_target_time = '${2:-}'"
  echo "recovery_target_timeline = '${3:-latest}'"
} >>"$PGDATA/postgresql.auto.conf"
install -m 600 /dev/null "$PGDATA/recovery.signal"
chown -R "${OWNER:-postgres}:" "$PGDATA"
