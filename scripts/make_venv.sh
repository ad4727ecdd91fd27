#!/usr/bin/env bash
# Makes the virtual environment $1 with $PYTHON, or with the first Python on PATH that is new enough.
set -euo pipefail

# Asking each candidate is the only sure way: version managers put commands on PATH that answer with an error.
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
            exec "$candidate" -m venv --clear "$1"
        fi
        echo "$candidate has no venv module. On Debian or Ubuntu:  sudo apt-get install python3-venv" >&2
        exit 1
    fi
done
echo "Sluice needs Python 3.11 or newer; ${PYTHON:-python3} is $(${PYTHON:-python3} --version 2>&1 | head -1 || true)." >&2
echo "Install one, or name it:  make $2 PYTHON=/path/to/python3.12" >&2
exit 1
