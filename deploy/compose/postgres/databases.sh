#!/bin/bash
# Run once by the server's image on an empty volume: a database and a role a service, each closed to the others.
# Names and passwords are those of the URLs that the services get. No statement is logged: they hold passwords.
set -euo pipefail
for service in evidence progression reporting; do
  url=$(</run/secrets/attain_${service}_database)
  account=${url#*://} && account=${account%%@*}
  psql --quiet --set ON_ERROR_STOP=1 --username postgres --dbname postgres \
    --set "role=${account%%:*}" --set "password=${account#*:}" --set "database=${url##*/}" <<'SQL'
create role :"role" login password :'password';
create database :"database" owner :"role";
revoke all on database :"database" from public;
SQL
done
psql --quiet --username postgres --dbname postgres --command 'revoke connect on database postgres, template1 from public'
