#!/usr/bin/env bash
# Prints a token, signed for with curl:
#
#   token.sh ISSUER_URL [AUDIENCE]
#
# Credentials come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, if they are temporary, AWS_SESSION_TOKEN.
# They go to curl through a pipe, because arguments can be seen by other processes of the machine.
# Needs bash and curl 7.76 or newer. No newline is printed after the token, because some of its readers do not strip one.
set -euo pipefail

issuer=${1:?usage: token.sh ISSUER_URL [AUDIENCE]}
audience=${2:-}
: "${AWS_ACCESS_KEY_ID:?is not set}" "${AWS_SECRET_ACCESS_KEY:?is not set}"

# An API Gateway host name holds the region to sign for. A domain of your own does not.
region=${AWS_REGION:-us-east-1}
if [[ $issuer =~ \.execute-api\.([a-z0-9-]+)\.amazonaws\. ]]; then region=${BASH_REMATCH[1]}; fi

config() {
    printf 'user = "%s:%s"\n' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY"
    if [ -n "${AWS_SESSION_TOKEN:-}" ]; then printf 'header = "x-amz-security-token: %s"\n' "$AWS_SESSION_TOKEN"; fi
}

# In a form, an empty audience counts as none, which asks for the policy's default.
if ! answer=$(config | curl --config - --silent --show-error --fail-with-body --max-time 10 \
    --aws-sigv4 "aws:amz:$region:execute-api" --data-urlencode "audience=$audience" "$issuer/token"); then
    printf '%s\n' "$answer" >&2
    exit 1
fi
token=$(printf '%s' "$answer" | sed -n 's/.*"token":"\([^"]*\)".*/\1/p')
if [ -z "$token" ]; then
    printf '%s\n' "$issuer/token did not answer with a token: is it the issuer's URL?" >&2
    exit 1
fi
printf '%s' "$token"
