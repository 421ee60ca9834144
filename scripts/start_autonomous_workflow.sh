#!/bin/sh
# Creates a workflow in a running task backend:
#   scripts/start_autonomous_workflow.sh PROJECT BRANCH "DESCRIPTION" [--plan FILE] [--dry-run]
#                                        [--url http://127.0.0.1:8000] [--work-dir DIR]
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
python=$root/.venv/bin/python
if [ ! -x "$python" ]; then
    echo "the project is not installed yet; run $root/scripts/run once" >&2
    exit 1
fi
PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH} exec "$python" -m backend.workflow "$@"
