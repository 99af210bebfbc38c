#!/bin/sh
# Checks POLICY_FILE, and that POLICY_JSON, which is what will be written, says the same: tofu's reader of YAML is another one
# than ours. COUNTERSIGN names the command line; otherwise it is looked for on PATH and among the builds of this checkout.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../../.." && pwd)
countersign=${COUNTERSIGN:-}
for candidate in "$(command -v countersign || true)" "$root/target/release/countersign" "$root/target/debug/countersign"; do
    if [ -z "$countersign" ] && [ -n "$candidate" ] && [ -x "$candidate" ]; then countersign=$candidate; fi
done
if [ -z "$countersign" ]; then
    echo "the policy cannot be checked: there is no \`countersign\`. Build it (cargo build --release --package countersign)," >&2
    echo "put it on PATH, or name it in the variable COUNTERSIGN" >&2
    exit 1
fi

"$countersign" policy check "$POLICY_FILE"
ours=$("$countersign" policy json "$POLICY_FILE")
written=$(printf '%s' "$POLICY_JSON" | "$countersign" policy json -)
if [ "$ours" != "$written" ]; then
    echo "$POLICY_FILE does not say the same to tofu as it says to countersign: put text that YAML may take for something" >&2
    echo "else (yes, no, dates, numbers) into quotes" >&2
    exit 1
fi
