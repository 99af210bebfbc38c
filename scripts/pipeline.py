"""What scripts/infrastructure-pipeline takes from the variables of a GitHub environment, before tofu sees any of it.

Whoever may write to the repository may set them, by GitHub's API, and no review is asked for. So they may hold values, which a
plan shows, and nothing that runs while it is made: BACKEND_TF is one backend and no other block, whose `external` or provider
would be code, and LOCK_HCL names providers of HashiCorp's alone. Prints a SHA-256 of all four, by which the job that applies
knows that they are those of the plan. Exit 1 with what is wrong.
"""

import hashlib
import os
import re
import sys

NAMES = ("BACKEND_TF", "TFVARS", "POLICY_YAML", "LOCK_HCL")
# The last one is anything else, and refused: a function, a reference, a template, a heredoc.
TOKEN = re.compile(r'(?:#|//)[^\n]*|"[^"\\$%\n]*"|[A-Za-z_][\w-]*|\d+|[{}\[\]=,]|\S')
ALLOWED = re.compile(r'"[^"\\$%\n]*"|[A-Za-z_][\w-]*|\d+|[{}\[\]=,]')
# Every line of a lock file, as tofu writes it.
LOCK_LINE = re.compile(
    r'(?:#.*|provider "registry\.(?:opentofu\.org|terraform\.io)/hashicorp/[a-z0-9-]+" \{'
    r'|(?:version|constraints)\s*=\s*"[^"]*"|hashes = \[|"(?:h1|zh):[^"]+",|[\]}])?'
)


def is_backend(text: str) -> bool:
    tokens = [token for token in TOKEN.findall(text) if not token.startswith(("#", "//"))]
    if not all(ALLOWED.fullmatch(token) for token in tokens):
        return False
    if tokens[:3] != ["terraform", "{", "backend"] or tokens[4:5] != ["{"] or tokens[-2:] != ["}", "}"]:
        return False
    # Neither block ends before the last two braces, so there is nothing beside the backend.
    depth = 2
    for token in tokens[5:-2]:
        depth += {"{": 1, "}": -1}.get(token, 0)
        if depth < 2:
            return False
    return depth == 2


def problems(values: dict[str, str]) -> list[str]:
    wrong = []
    if not is_backend(values["BACKEND_TF"]):
        wrong.append("BACKEND_TF is not one backend with plain values and nothing else: infrastructure/backend.tf.example")
    if not all(LOCK_LINE.fullmatch(line.strip()) for line in values["LOCK_HCL"].splitlines()):
        wrong.append("LOCK_HCL names something else than providers of hashicorp: take .terraform.lock.hcl as tofu wrote it")
    return wrong


def main() -> int:
    values = {name: os.environ[name] for name in NAMES}
    wrong = problems(values)
    for problem in wrong:
        print(f"infrastructure-pipeline: {problem}", file=sys.stderr)
    if wrong:
        return 1
    print(hashlib.sha256("".join(f"{name} {len(value)}\n{value}" for name, value in values.items()).encode()).hexdigest())
    return 0


if __name__ == "__main__":
    sys.exit(main())
