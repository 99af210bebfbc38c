#!/bin/sh
# Waits until the key set at URL can be fetched and has keys in it, for PATIENCE seconds at most.
set -eu

command -v curl >/dev/null || {
    echo "curl is missing: install it, or apply with await_keys = false and look yourself" >&2
    exit 1
}
began=$(date +%s)
told=0
while :; do
    if said=$(curl --silent --show-error --max-time 10 --write-out '\nHTTP status %{http_code}' "$URL" 2>&1); then
        case $said in
            *'"kid"'*'HTTP status 200') exit 0 ;;
        esac
    fi
    waited=$(($(date +%s) - began))
    if [ "$waited" -ge "$PATIENCE" ]; then
        echo "after $waited s there are no keys at $URL. The last answer:" >&2
        printf '%s\n' "$said" >&2
        echo "Has the first rotation failed? Look at the log /aws/lambda/$ROTATOR, then run apply again." >&2
        exit 1
    fi
    if [ $((waited - told)) -ge 10 ]; then
        told=$waited
        echo "waiting for keys at $URL, for $waited s"
    fi
    sleep 2
done
