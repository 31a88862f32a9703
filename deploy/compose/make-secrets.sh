#!/bin/sh
# Makes the secrets of a compose installation where they are missing: make-secrets.sh [FOLDER]. Existing ones stay.
# The folder is closed to other users; the files in it are not, because the containers' users have to read them.
set -eu
folder=${1:-$(dirname "$0")/secrets}
umask 022
mkdir -p "$folder"
chmod 700 "$folder"

random() { head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \n'; }
make() { [ -s "$folder/$1" ] || printf '%s' "$2" >"$folder/$1"; }

make token_key "$(random)"
make credential_key "$(openssl genpkey -algorithm ed25519)"
make postgres_password "$(random)"
make grafana_password "$(random)"
for service in evidence progression reporting; do
  make "attain_${service}_database" "postgresql://attain_$service:$(random)@postgres:5432/attain_$service"
  make "attain_${service}_owner_database" "postgresql://attain_${service}_owner:$(random)@postgres:5432/attain_$service"
done
echo "secrets are in $folder"
