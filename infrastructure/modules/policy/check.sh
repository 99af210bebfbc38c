#!/bin/sh
# Checks POLICY_FILE, and that POLICY_JSON, which is what will be written, says the same: tofu's reader of YAML is another one
# than ours. COUNTERSIGN names the command line; otherwise it is looked for among the builds of this checkout and on PATH.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
countersign=${COUNTERSIGN:-}
for candidate in "$target/release/countersign" "$target/debug/countersign" "$(command -v countersign || true)"; do
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
    echo "$POLICY_FILE does not say the same to tofu as it says to countersign. Put text that YAML may take for something" >&2
    echo "else (yes, no, dates) into quotes, write numbers in claims in their plainest form (1, 1.5), and letters with" >&2
    echo "accents as one character. The policy as JSON (countersign policy json), as policy_file, has none of these doubts." >&2
    exit 1
fi
