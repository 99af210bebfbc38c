#!/usr/bin/env bash
# Gets a token with curl, calls an API with it, and prints what the API answers:
#
#   whoami.sh ISSUER_URL AUDIENCE API_URL
#
# Needs what token.sh beside it needs. The token goes to curl through a pipe, because arguments can be seen by other
# processes of the machine.
set -euo pipefail

issuer=${1:?usage: whoami.sh ISSUER_URL AUDIENCE API_URL}
audience=${2:?usage: whoami.sh ISSUER_URL AUDIENCE API_URL}
api=${3:?usage: whoami.sh ISSUER_URL AUDIENCE API_URL}

# Of its own line, so that a refusal ends this script too.
token=$("$(dirname "${BASH_SOURCE[0]}")/token.sh" "$issuer" "$audience")
if ! answer=$(printf 'header = "Authorization: Bearer %s"\n' "$token" |
    curl --config - --silent --show-error --fail-with-body --max-time 10 "$api/whoami"); then
    printf '%s\n' "$answer" >&2
    exit 1
fi
printf '%s\n' "$answer"
