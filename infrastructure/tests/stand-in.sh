#!/usr/bin/env bash
# Applies infrastructure/ to a stand-in of AWS on this machine and runs what was deployed: `infrastructure/tests/stand-in.sh`,
# or with the name of another set of variables: `domain-and-kms`, `kept-ready`, or `all`.
#
# It packages the functions unless that is done, and needs OpenTofu or Terraform with the AWS provider. All of it happens on
# 127.0.0.1 and in temporary folders. The last line counts the checks; crates/testkit/src/stand_in.rs is the story.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)"
cd "$root"

say() { printf 'stand-in: %s\n' "$*" >&2; }

scenarios=("${1:-default}")
[ "${scenarios[0]}" != all ] || scenarios=(default domain-and-kms kept-ready)

machine="$(uname -s) $(uname -m)"
[ "$machine" = "Linux x86_64" ] || {
    say "this machine is $machine: the functions that were packaged are run, and those that can be are for Linux on x86_64"
    exit 1
}
command -v cargo >/dev/null || {
    say "cargo is missing: install Rust with rustup (https://rustup.rs); rust-toolchain.toml then picks the version"
    exit 1
}
# It says by itself what to install.
scripts/infrastructure-tofu version >/dev/null
scripts/tools

# Whether all packages are there, and newer than everything that they are made from.
packages=target/lambda/x86_64
are_current() {
    [ -f "$packages/SHA256SUMS" ] || return 1
    (cd "$packages" && sha256sum --check --quiet --status SHA256SUMS) || return 1
    [ -z "$(find Cargo.toml Cargo.lock rust-toolchain.toml .cargo crates/{core,keys,aws,jwt-issuer,jwks,key-rotator} \
        scripts/package scripts/package.py \( -path '*/tests' -o -path '*/benches' \) -prune -o \
        -type f -newer "$packages/SHA256SUMS" -print -quit)" ]
}
if are_current; then
    say "the packages are current"
else
    say "making the packages (minutes, the first time)"
    scripts/package x86_64
fi

# `tofu apply` checks the policy with it, and operators use it.
cargo build --locked --quiet --package countersign
cargo build --locked --quiet --package testkit --example stand_in
target="$(cargo metadata --locked --no-deps --format-version 1 |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')"
export COUNTERSIGN="$target/debug/countersign"
export TOFU="$root/scripts/infrastructure-tofu"
export PACKAGES="$root/target/lambda"

# A process group and a folder of its own: who is interrupted leaves neither a server nor a function nor a key behind.
set -m
child=""
TMPDIR="$(mktemp -d)"
export TMPDIR
end() {
    [ -n "$child" ] || return 0
    local members member
    members="$(pgrep -g "$child" || true)"
    kill -KILL -- "-$child" 2>/dev/null || true
    # What libfaketime keeps for a process, and takes away at an orderly end only.
    for member in $members; do
        rm -f "/dev/shm/sem.faketime_sem_$member" "/dev/shm/faketime_shm_$member"
    done
}
trap 'end; rm -rf "$TMPDIR"' EXIT
trap 'exit 130' INT TERM

for scenario in "${scenarios[@]}"; do
    printf '\n### %s\n' "$scenario"
    "$target/debug/examples/stand_in" "$scenario" &
    child=$!
    wait "$child"
    end
    child=""
done
