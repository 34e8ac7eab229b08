#!/bin/sh
# Print the first Python found that rtmon supports, or say what is missing.
# Argument: the Python to use, if the caller has chosen one.
for python in ${1:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
    if "$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
        >/dev/null 2>&1; then
        echo "$python"
        exit 0
    fi
done
if [ $# -gt 0 ]; then what="$1 is not that"; else what="none was found"; fi
echo "rtmon needs Python 3.11 or newer with venv, and $what:" \
    "install it (Debian: apt install python3-venv) or name it with make PYTHON=/path/to/python." >&2
exit 1
