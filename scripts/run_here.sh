#!/usr/bin/env bash
# Serve from a working copy: with a development key of this copy's own (made at the first start, readable by its owner
# only), so that authentication is on from the first request. Arguments: the folder of the environment's programs, and
# which of them to run with what (gunicorn alone when left out).
set -euo pipefail
cd "$(dirname "$0")/.."

key_file=${SLUICE_DATA_DIR:-var}/development.key
if [ -z "${SLUICE_BOOTSTRAP_ADMIN_KEY:-}" ]; then
  if [ ! -s "$key_file" ]; then
    mkdir -p "$(dirname "$key_file")"
    (umask 077 && "$1/python" -c 'import secrets; print("dev-" + secrets.token_urlsafe(24))' >"$key_file")
  fi
  SLUICE_BOOTSTRAP_ADMIN_KEY=$(<"$key_file")
fi
export SLUICE_BOOTSTRAP_ADMIN_KEY SLUICE_GREETING=${SLUICE_GREETING:-on}
exec "$1/${2:-gunicorn}" "${@:3}"
