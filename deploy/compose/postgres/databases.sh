#!/bin/bash
# Run once by the server's image on an empty volume: for each service a database, its owner, who migrates it, and the
# service's own role, which owns nothing; each closed to the others. Names and passwords are those of the URLs that the
# jobs and services get. No statement is logged: they hold passwords.
set -euo pipefail
account_of() { local url; url=$(</run/secrets/$1); url=${url#*://}; printf '%s' "${url%%@*}"; }
psql --quiet --set ON_ERROR_STOP=1 --username postgres --dbname postgres \
  --command 'create role attain_service nologin; create role attain_tenant nologin'
for service in evidence progression reporting; do
  url=$(</run/secrets/attain_${service}_database)
  account=$(account_of attain_${service}_database) owner=$(account_of attain_${service}_owner_database)
  psql --quiet --set ON_ERROR_STOP=1 --username postgres --dbname postgres \
    --set "role=${account%%:*}" --set "password=${account#*:}" --set "database=${url##*/}" \
    --set "owner=${owner%%:*}" --set "owner_password=${owner#*:}" <<'SQL'
create role :"role" login password :'password' in role attain_service, attain_tenant;
create role :"owner" login password :'owner_password' in role attain_service, attain_tenant;
create database :"database" owner :"owner";
revoke all on database :"database" from public;
grant connect, temporary on database :"database" to :"role";
SQL
done
psql --quiet --username postgres --dbname postgres --command 'revoke connect on database postgres, template1 from public'
