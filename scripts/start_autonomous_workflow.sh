#!/bin/sh
# Creates a workflow in a running task backend:
#   scripts/start_autonomous_workflow.sh PROJECT BRANCH "DESCRIPTION" [--plan FILE] [--dry-run] [--url URL]
# The backend is given by --url or BACKEND_URL; by default it is the one that runs in WORK_DIR. See --help.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
python=$root/.venv/bin/python
if [ ! -x "$python" ]; then
    echo "the project is not installed yet; run $root/scripts/run once" >&2
    exit 1
fi
export COORDINATOR_PROGRAM="${COORDINATOR_PROGRAM:-./scripts/run}"
PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH} exec "$python" -P -m backend.workflow "$@"
