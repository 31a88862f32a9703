#!/bin/sh
# PostgreSQL's archive_command: keep-wal PATH NAME. A file is kept whole or not at all. PostgreSQL may give one again after a
# crash, which is well where the content is the same; another content under its name is refused, so that no two servers share an archive.
set -eu
kept=${ARCHIVE:-/archive}/wal/$2.gz
if [ -e "$kept" ]; then
  gunzip -c "$kept" | cmp -s - "$1"
else
  gzip -1 -c "$1" >"$kept.part"
  sync "$kept.part"
  mv "$kept.part" "$kept"
fi
