#!/usr/bin/env bash
# Gets a token with awscurl, calls an API with it by curl, and prints what the API answers:
#
#   whoami.sh ISSUER_URL AUDIENCE API_URL
#
# Credentials come from botocore's default chain: AWS_PROFILE, the environment, containers, instances.
# Needs bash, curl 7.76 or newer, and `pip install awscurl`. The token goes to curl through a pipe, because arguments can
# be seen by other processes of the machine.
set -euo pipefail

issuer=${1:?usage: whoami.sh ISSUER_URL AUDIENCE API_URL}
audience=${2:?usage: whoami.sh ISSUER_URL AUDIENCE API_URL}
api=${3:?usage: whoami.sh ISSUER_URL AUDIENCE API_URL}

# An API Gateway host name holds the region to sign for. A domain of your own does not.
region=${AWS_REGION:-us-east-1}
if [[ $issuer =~ \.execute-api\.([a-z0-9-]+)\.amazonaws\. ]]; then region=${BASH_REMATCH[1]}; fi

# awscurl says on stderr what went wrong, and on stdout what the issuer answered, a refusal too.
if ! answer=$(awscurl --service execute-api --region "$region" --fail-with-body -X POST \
    -H 'Content-Type: application/x-www-form-urlencoded' -d "audience=$audience" "$issuer/token"); then
    printf '%s\n' "$answer" >&2
    exit 1
fi
token=$(printf '%s' "$answer" | sed -n 's/.*"token":"\([^"]*\)".*/\1/p')
if [ -z "$token" ]; then
    printf '%s\n' "$issuer/token did not answer with a token: is it the issuer's URL?" >&2
    exit 1
fi

if ! answer=$(printf 'header = "Authorization: Bearer %s"\n' "$token" |
    curl --config - --silent --show-error --fail-with-body --max-time 10 "$api/whoami"); then
    printf '%s\n' "$answer" >&2
    exit 1
fi
printf '%s\n' "$answer"
