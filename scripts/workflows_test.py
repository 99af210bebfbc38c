"""Each rule of scripts/workflows.py on a copy of the real workflows with one thing spoiled."""

import json
import shutil
import tempfile
import unittest
from pathlib import Path

import workflows

ROOT = Path(__file__).resolve().parents[1]

CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"

RUST = "      - name: Rust, by rust-toolchain.toml\n        run: rustup toolchain install\n"

# What is spoiled: file, the text there, what stands there instead, and what the refusal says.
SPOILED = {
    "a tag for a pin": ("ci.yml", CHECKOUT, "actions/checkout@v7", "not pinned"),
    "a branch for a pin": ("ci.yml", CHECKOUT, "actions/checkout@main # v7.0.1", "not pinned"),
    "a short commit": ("ci.yml", CHECKOUT, "actions/checkout@3d3c42e # v7.0.1", "not pinned"),
    "a pin without its version": ("ci.yml", CHECKOUT, CHECKOUT.split(" #")[0], "not pinned"),
    "a version that says too little": ("ci.yml", CHECKOUT, CHECKOUT.replace("v7.0.1", "v7"), "not pinned"),
    "an image for an action": ("ci.yml", CHECKOUT, "docker://alpine:3", "not pinned"),
    "two pins of one action": ("ci.yml", CHECKOUT, f"actions/checkout@{'0' * 40} # v7.0.1", "has another pin elsewhere"),
    "permissions left out": ("ci.yml", "permissions: {}\n\nconcurrency", "concurrency", "permissions at the top"),
    "permissions for all jobs": ("ci.yml", "permissions: {}\n\nc", "permissions: read-all\n\nc", "permissions at the top"),
    "all permissions for a job": (
        "probe.yml",
        "    permissions:\n      contents: read # to check the code out\n",
        "    permissions: write-all\n",
        "one by one",
    ),
    "a job without permissions": (
        "nightly.yml",
        "    permissions:\n      contents: read # to check the code out\n    uses",
        "    uses",
        "does not say its permissions",
    ),
    "no time limit": ("ci.yml", "    timeout-minutes: 120\n", "", "no timeout-minutes"),
    "no concurrency": (
        "release.yml",
        "concurrency:\n  group: release-${{ github.ref }}\n  cancel-in-progress: false\n",
        "",
        "concurrency",
    ),
    "GitHub's default shell": ("ci.yml", "    shell: bash", "    shell: sh", "defaults.run.shell"),
    "a trigger for strangers": ("ci.yml", "  pull_request:\n", "  pull_request_target:\n", "pull_request_target"),
    "a trigger by another run": ("ci.yml", "  workflow_call:\n", "  workflow_run:\n    workflows: [x]\n", "workflow_run"),
    "a static key": (
        "infrastructure.yml",
        "          role-to-assume: ${{ vars.AWS_PLAN_ROLE_ARN }}\n",
        "          aws-access-key-id: ${{ vars.KEY }}\n",
        "names a key of AWS",
    ),
    "a secret key in the environment": (
        "ci.yml",
        "          NEEDS: ${{ toJSON(needs) }}\n",
        "          AWS_SECRET_ACCESS_KEY: x\n",
        "names a key of AWS",
    ),
    "a key id in plain text": ("ci.yml", "name: CI\n", "name: AKIA" + "IOSFODNN7EXAMPLE\n", "names a key of AWS"),
    "a secret": ("release.yml", "${{ github.token }}", "${{ secrets.TOKEN }}", "takes a secret"),
    "a secret in brackets": ("release.yml", "${{ github.token }}", "${{ toJSON(secrets) }}", "takes a secret"),
    "secrets handed on": (
        "nightly.yml",
        "    with:\n      deployment",
        "    secrets: inherit\n    with:\n      deployment",
        "takes a secret",
    ),
    "an expression that is run": (
        "infrastructure.yml",
        'plan "$DEPLOYMENT"',
        "plan ${{ github.head_ref }}",
        "text that is run",
    ),
    "a token that stays": (
        "ci.yml",
        "          persist-credentials: false\n",
        "          fetch-depth: 1\n",
        "persist-credentials",
    ),
    "a task that is not there": ("ci.yml", "scripts/task ci\n", "scripts/task everything\n", "no task everything"),
    "a script that is not there": ("release.yml", "scripts/package ", "scripts/pack ", "no scripts/pack"),
    "a cache in a release": (
        "release.yml",
        CHECKOUT,
        "actions/cache@27d5ce7f107fe9357f9df03efb73ab90386fccae # v5.0.5",
        "from a cache",
    ),
    "a job that is not required": (
        "ci.yml",
        "needs: [everything, arm64, macos]",
        "needs: [everything, macos]",
        "every other job",
    ),
    "a check that can be skipped": ("ci.yml", "    if: ${{ always() }}\n", "", "run always"),
    "a check that is skipped now and then": ("ci.yml", "always() }}", "always() && vars.X }}", "run always"),
    "a check that takes what was skipped": ("ci.yml", '.result == "success"', '.result != "failure"', "required has to run"),
    "a failure that counts as none": (
        "ci.yml",
        "scripts/task ci\n",
        "scripts/task ci\n        continue-on-error: true\n",
        "continue-on-error",
    ),
    "a job whose failure counts as none": (
        "ci.yml",
        "    timeout-minutes: 120\n",
        "    timeout-minutes: 120\n    continue-on-error: true\n",
        "continue-on-error",
    ),
    "a cache in what a release calls": ("ci.yml", "        if: ${{ !startsWith(github.ref, 'refs/tags/') }}\n", "", "a cache"),
    "an unpinned action in braces": ("ci.yml", RUST, "      - { name: x, uses: a/b@main }\n", "a/b@main is not pinned"),
    "an unpinned action, set in": ("ci.yml", RUST, "      -   uses: a/b@main\n", "a/b@main is not pinned"),
    "an unpinned action in quotes": ("ci.yml", RUST, '      - "uses": a/b@main\n', "a/b@main is not pinned"),
    "a secret in another case": ("release.yml", "${{ github.token }}", "${{ Secrets.TOKEN }}", "takes a secret"),
    "a secret on lines of its own": (
        "release.yml",
        "GH_TOKEN: ${{ github.token }}",
        "GH_TOKEN: >-\n            ${{\n            secrets.TOKEN }}",
        "takes a secret",
    ),
    "a secret within a function": ("release.yml", "github.token }}", "format('{0}', secrets.TOKEN) }}", "takes a secret"),
    "a right to write in CI": ("ci.yml", "      contents: read", "      contents: write", "everything may write"),
    "a right to GitHub's tokens in CI": (
        "ci.yml",
        "      contents: read # to check the code out\n",
        "      contents: read # to check the code out\n      id-token: write # why\n",
        "everything may write",
    ),
    "a plan without its environment": (
        "infrastructure.yml",
        "    environment: plan-${{ matrix.deployment }}\n",
        "",
        "plan takes a role of AWS, and has no environment",
    ),
    "an apply without its environment": (
        "infrastructure.yml",
        "    environment: ${{ matrix.deployment }}\n",
        "",
        "apply takes a role of AWS, and has no environment",
    ),
    "an apply for pull requests": ("infrastructure.yml", "github.ref == 'refs/heads/main' && ", "", "not for main alone"),
    "an apply for pull requests too": ("infrastructure.yml", " != 'pull_request' }}", " != '' || 1 }}", "not for main alone"),
    "an apply that is cut off": ("infrastructure.yml", "github.event_name ==", "'x' !=", "cancel-in-progress"),
    "a release that nobody agrees to": ("release.yml", "    environment: release\n", "", "draft may write"),
    "a release that does not wait for CI": ("release.yml", "[check, ci, ", "[check, ", "does not wait for ci"),
    "a release that waits for nothing": ("release.yml", "needs: [check, draft, images]", "needs: check", "publish may write"),
    "a release from any branch": ("release.yml", "git merge-base", "true git merge-base", "check has to run"),
    "a release of a tag that was moved": (
        "release.yml",
        "        run: scripts/release-tag\n",
        "        run: scripts/release-tag\n        if: false\n",
        "draft has to run",
    ),
}


class Rules(unittest.TestCase):
    def copy(self) -> Path:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        for name in (".github", "scripts", ".devcontainer"):
            shutil.copytree(ROOT / name, folder / name)
        for name in ("Taskfile.yml", ".opentofu-version"):
            shutil.copy(ROOT / name, folder / name)
        return folder

    def test_the_workflows_as_they_are(self) -> None:
        self.assertEqual(workflows.check(ROOT), [])

    def test_each_rule_refuses(self) -> None:
        root = self.copy()
        for name, (file, old, new, expected) in SPOILED.items():
            with self.subTest(name):
                path = root / ".github/workflows" / file
                text = path.read_text()
                self.assertIn(old, text, "the table is older than the workflow")
                path.write_text(text.replace(old, new, 1))
                found = workflows.check(root)
                path.write_text(text)
                self.assertTrue(any(expected in problem and file in problem for problem in found), found)

    def test_no_workflows_are_no_good_workflows(self) -> None:
        root = self.copy()
        shutil.rmtree(root / ".github/workflows")
        self.assertIn("there is no .github/workflows/ci.yml", workflows.check(root)[0])

    def test_another_opentofu_in_the_dev_container(self) -> None:
        root = self.copy()
        (root / ".opentofu-version").write_text("1.0.0\n")
        self.assertIn("OpenTofu has to be 1.0.0", workflows.check(root)[0])

    def test_what_is_run_is_extracted(self) -> None:
        folder = self.copy() / "run"
        count = workflows.extract(ROOT, folder)
        self.assertEqual(count, len(list(folder.iterdir())))
        self.assertIn("scripts/release.py assemble", (folder / "release-draft-3.sh").read_text())


class DevContainer(unittest.TestCase):
    GOOD = {"remoteUser": "vscode", "mounts": [{"type": "volume"}], "features": {"ghcr.io/a/b:1.2.3": {}}}

    def test_each_rule_refuses(self) -> None:
        def check(spoiled: dict) -> list[str]:
            # A mount is read as an object, or as text as docker takes it.
            configuration = json.loads(
                json.dumps({**self.GOOD, **spoiled}).replace('{"type": "volume"}', '"type=volume,source=x"')
            )
            return workflows.check_devcontainer(configuration, "// why\n{}")

        self.assertEqual(check({}), [])
        for spoiled, expected in (
            ({"remoteUser": "root"}, "as root"),
            ({"mounts": ["type=bind,source=/home/me/.aws,target=/x"]}, "a folder of the host"),
            ({"mounts": [{"type": "bind", "source": "/home/me/.aws"}]}, "a folder of the host"),
            ({"runArgs": ["--privileged"]}, "--privileged"),
            ({"remoteEnv": {"AWS_PROFILE": "me"}}, "AWS_"),
            ({"features": {"ghcr.io/a/b:1": {}}}, "no full version"),
        ):
            with self.subTest(expected):
                self.assertTrue(any(expected in problem for problem in check(spoiled)), check(spoiled))
        self.assertIn("localEnv", workflows.check_devcontainer(self.GOOD | {"mounts": []}, '{"x": "${localEnv:HOME}"}')[0])
        self.assertIn("no JSON", workflows.check_devcontainer(self.GOOD | {"mounts": []}, '{"x" 1}')[0])


if __name__ == "__main__":
    unittest.main()
