# shellcheck shell=bash
# What scripts/package-tools and scripts/infrastructure-tools share; to be sourced, with the whole name of this checkout in
# `root`. scripts/tools stands apart: it makes more than an environment of Python.

# pinned_venv FOLDER PINS WHAT: Python with the packages of scripts/PINS in .tools/FOLDER/venv, WHAT being what a person is
# told of it. A stamp says when nothing has changed. COUNTERSIGN_TOOLS names another folder for .tools.
pinned_venv() {
    local folder="$1" pins="$2" what="$3"
    local name="$folder-tools" tools="${COUNTERSIGN_TOOLS:-$root/.tools}/$1" started=$SECONDS
    local stamp lock waited=0

    command -v python3 >/dev/null || venv_fail "$name" "python3 is missing" \
        "install Python 3.11 or newer (Debian, Ubuntu: apt-get install python3 python3-venv; macOS: brew install python)"
    # Debian ships the module venv without ensurepip until python3-venv is installed, so `import venv` alone proves nothing.
    python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        venv_fail "$name" "python3 is older than 3.11, or cannot make a virtual environment" \
            "install Python 3.11 or newer with its venv module (Debian, Ubuntu: apt-get install python3 python3-venv)"

    # The stamp covers the pins, this script, the folder (a venv cannot be moved) and the Python that the venv points to.
    stamp="$(
        {
            cat "$root/scripts/$pins" "$root/scripts/venv.sh"
            printf '%s\n' "$tools" "$(python3 --version)" "$(command -v python3)"
        } | python3 -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())'
    )"
    ! venv_stamped "$tools" "$stamp" || return 0

    mkdir -p "$tools"
    # Two runs side by side would take each other's half-made venv away. mkdir is the lock that every system has.
    lock="$tools/installing"
    until mkdir "$lock" 2>/dev/null; do
        [ $waited -gt 0 ] || printf '%s: waiting for another run of scripts/%s\n' "$name" "$name" >&2
        waited=$((waited + 1))
        [ $waited -le 600 ] || venv_fail "$name" "another run of scripts/$name has held $lock for 10 minutes" \
            "if none is running, remove that folder"
        sleep 1
    done
    # By its value: at the end of the script the local variable is gone.
    # shellcheck disable=SC2064
    trap "rmdir '${lock//\'/\'\\\'\'}'" EXIT
    ! venv_stamped "$tools" "$stamp" || return 0

    rm -rf "$tools/stamp" "$tools/venv"
    export PIP_DISABLE_PIP_VERSION_CHECK=1
    printf '%s: installing %s\n' "$name" "$what" >&2
    python3 -m venv "$tools/venv"
    # --no-deps: a package that is not in the pin file is a mistake in the pin file, and `pip check` then names it.
    "$tools/venv/bin/python" -m pip install --quiet --no-deps --requirement "$root/scripts/$pins" ||
        venv_fail "$name" "pip could not install scripts/$pins" "the lines above say why; it needs the Python package index"
    "$tools/venv/bin/python" -m pip check --quiet ||
        venv_fail "$name" "scripts/$pins does not name every package that is needed"

    printf '%s\n' "$stamp" >"$tools/stamp"
    printf '%s: ready in %d s\n' "$name" $((SECONDS - started)) >&2
}

venv_stamped() { [ "$(cat "$1/stamp" 2>/dev/null || true)" = "$2" ]; }

venv_fail() {
    local name="$1" line
    shift
    printf '%s: %s\n' "$name" "$1" >&2
    shift
    for line in "$@"; do printf '%s:   %s\n' "$name" "$line" >&2; done
    exit 1
}
