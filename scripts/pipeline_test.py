"""scripts/infrastructure-pipeline in a copy of what it needs, with a tofu that knows one plan and writes down what it is asked.
What tofu itself makes of infrastructure/ is tested by scripts/infrastructure."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import pipeline

ROOT = Path(__file__).resolve().parents[1]
TOFU = r"""#!/usr/bin/env bash
echo "$*" >>"$ASKED"
shift # -chdir
case "$1" in
    console)
        python3 -c '
import json, os, re, sys
values = {"name": "x", "package_type": os.environ["PACKAGE_TYPE"], "architecture": "arm64", "package_directory": "p"}
print(json.dumps(json.dumps([values[name] for name in re.findall(r"var\.(\w+)", sys.stdin.read())])))'
        ;;
    output) exit 1 ;;
    plan) for argument; do case "$argument" in -out=*) printf '%s\n' "$PLAN" >"${argument#-out=}" ;; esac; done ;;
    show) cat "${!#}" ;;
esac
"""


BACKEND = (ROOT / "infrastructure/backend.tf.example").read_text()
LOCK = """# This file is maintained automatically by "tofu init".

provider "registry.opentofu.org/hashicorp/aws" {
  version     = "6.0.0"
  constraints = ">= 5.100.0, < 7.0.0"
  hashes = [
    "h1:abc=",
  ]
}
"""


class Variables(unittest.TestCase):
    """What the variables may hold: values, and nothing that runs."""

    def refused(self, name: str, *texts: str) -> None:
        for text in texts:
            with self.subTest(text):
                found = pipeline.problems({"BACKEND_TF": BACKEND, "LOCK_HCL": LOCK, name: text})
                self.assertEqual(len(found), 1, found)
                self.assertIn(name, found[0])

    def test_what_is_meant_passes(self) -> None:
        nested = BACKEND.replace("encrypt", 'assume_role = { role_arn = "arn:aws:iam::1:role/x", tags = ["a"] }\n    encrypt')
        for backend in (BACKEND, nested, "# why\n" + BACKEND):
            self.assertEqual(pipeline.problems({"BACKEND_TF": backend, "LOCK_HCL": LOCK}), [])
        both = LOCK + LOCK.replace("opentofu.org/hashicorp/aws", "terraform.io/hashicorp/archive")
        self.assertEqual(pipeline.problems({"BACKEND_TF": BACKEND, "LOCK_HCL": both}), [])

    def test_a_backend_and_something_else(self) -> None:
        code = 'data "external" "x" { program = ["sh", "-c", "id"] }'
        self.refused(
            "BACKEND_TF",
            code,
            BACKEND + code,
            code + BACKEND,
            'terraform { backend "s3" { } } data "external" "x" { program = ["id"] } terraform { backend "s3" { } }',
            'terraform { backend "s3" { } required_providers { x = { source = "evil/x" } } }',
            'terraform { required_providers { x = { source = "evil/x" } } backend "s3" { } }',
            'terraform { backend "s3" { } } locals { x = { } }',
            'terraform { backend "s3" { key = file("x") } }',
            'terraform { backend "s3" { key = "${file(1)}" } }',
            'terraform { backend "s3" { key = <<X\n}}\nX\n } }',
            'terraform { backend "s3" { /* } } */ } }',
            'terraform { backend "s3" { key = "a\\" } } x { "b" } }',
            "terraform {}",
            "terraform { backend",
            'terraform { backend "s3" { { } }',
        )

    def test_a_provider_of_somebody_else(self) -> None:
        self.refused(
            "LOCK_HCL",
            LOCK.replace("hashicorp/aws", "evil/aws"),
            LOCK.replace("registry.opentofu.org", "evil.example.com"),
            LOCK + LOCK.replace("hashicorp/aws", "evil/aws"),
            LOCK + LOCK.replace('provider "registry.opentofu.org/hashicorp/aws"', 'provider   "registry.opentofu.org/evil/x"'),
            LOCK + '  provider "registry.opentofu.org/evil/x" {\n  }',
            LOCK.replace('"6.0.0"', '"6.0.0" } provider "registry.opentofu.org/evil/x" { version = "1.0.0"'),
            LOCK + 'module "x" {',
        )


class Pipeline(unittest.TestCase):
    def setUp(self) -> None:
        self.root = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.root / "scripts").mkdir()
        (self.root / "infrastructure/vars").mkdir(parents=True)
        for name in ("pipeline", "deploy", "tofu", "variables"):
            shutil.copy(ROOT / f"scripts/infrastructure-{name}", self.root / "scripts")
        shutil.copy(ROOT / "scripts/pipeline.py", self.root / "scripts")
        (self.root / "tofu").write_text(TOFU)
        (self.root / "tofu").chmod(0o755)
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "COUNTERSIGN_TOFU": str(self.root / "tofu"),
            "ASKED": str(self.root / "asked"),
            "BACKEND_TF": BACKEND.strip(),
            "TFVARS": 'name = "x"',
            "POLICY_YAML": "version: 1",
            "LOCK_HCL": LOCK.strip(),
            "PACKAGE_TYPE": "Zip",
            "PLAN": "a <b> & c",
            "GITHUB_STEP_SUMMARY": str(self.root / "summary"),
        }

    def run_pipeline(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [self.root / "scripts/infrastructure-pipeline", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=self.environment | environment,
        )

    def asked(self) -> list[str]:
        return [
            line.removeprefix(f"-chdir={self.root.resolve()}/infrastructure ").removeprefix("-chdir=infrastructure ")
            for line in (self.root / "asked").read_text().splitlines()
        ]

    def test_a_plan_takes_no_lock_and_is_shown(self) -> None:
        done = self.run_pipeline("plan", "dev")
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        plan = next(line for line in self.asked() if line.startswith("plan"))
        self.assertIn("-lock=false", plan)
        self.assertIn("infrastructure/vars/dev.tfvars", plan)
        self.assertIn("<pre>\na &lt;b> &amp; c\n", (self.root / "summary").read_text())
        self.assertEqual((self.root / "infrastructure/vars/policy.yaml").read_text(), "version: 1\n")
        self.assertFalse([line for line in self.asked() if line.startswith("apply")])

    def test_a_plan_that_is_too_long_says_so(self) -> None:
        self.run_pipeline("plan", "dev")
        self.assertNotIn("not all of it", (self.root / "summary").read_text())
        # An environment variable may have 128 KiB, so the fake repeats what it has.
        (self.root / "tofu").write_text(TOFU.replace('cat "${!#}"', 'for _ in {1..6}; do cat "${!#}"; done'))
        done = self.run_pipeline("plan", "dev", PLAN="x" * 100_000)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("**This is not all of it", (self.root / "summary").read_text())

    def test_what_was_reviewed_is_applied(self) -> None:
        self.run_pipeline("plan", "dev")
        done = self.run_pipeline("apply", "dev")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("-lock=false", [line for line in self.asked() if line.startswith("plan")][-1])
        self.assertTrue(self.asked()[-1].startswith("apply -no-color "))

    def refused(self, expected: str, *arguments: str, **environment: str) -> None:
        done = self.run_pipeline(*arguments, **environment)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(expected, done.stderr)
        asked = self.asked() if (self.root / "asked").exists() else []
        self.assertFalse([line for line in asked if line.startswith("apply")])

    def test_another_plan_than_the_reviewed_one(self) -> None:
        self.run_pipeline("plan", "dev")
        self.refused("another one than the reviewed one", "apply", "dev", PLAN="destroys everything")

    def test_nothing_was_reviewed(self) -> None:
        self.refused("nothing was reviewed", "apply", "dev")

    def test_another_deployments_review(self) -> None:
        self.run_pipeline("plan", "dev")
        self.refused("nothing was reviewed", "apply", "prod")

    def test_a_variable_that_is_not_set(self) -> None:
        for name in ("BACKEND_TF", "TFVARS", "POLICY_YAML", "LOCK_HCL"):
            with self.subTest(name):
                self.refused(f"the variable {name} is not set", "plan", "dev", **{name: ""})

    def test_variables_that_run_something(self) -> None:
        self.refused("BACKEND_TF is not", "plan", "dev", BACKEND_TF=BACKEND + 'data "external" "x" { program = ["id"] }')
        self.refused("LOCK_HCL names something else", "plan", "dev", LOCK_HCL=LOCK.replace("hashicorp", "evil"))
        self.assertFalse((self.root / "asked").exists())

    def test_variables_that_are_not_the_reviewed_ones(self) -> None:
        self.run_pipeline("plan", "dev")
        before = self.asked()
        for name, value in (
            ("BACKEND_TF", BACKEND.replace("acme", "evil")),
            ("TFVARS", 'name = "y"'),
            ("POLICY_YAML", "version: 2"),
            ("LOCK_HCL", LOCK.replace("6.0.0", "5.100.0")),
        ):
            with self.subTest(name):
                self.refused("the variables are others than those of the reviewed plan", "apply", "dev", **{name: value})
                # tofu was not asked for anything, so nothing ran with the rights to apply.
                self.assertEqual(self.asked(), before)

    def test_a_checkout_that_is_somebodys(self) -> None:
        (self.root / "infrastructure/vars/dev.tfvars").write_text("mine\n")
        self.refused("there is another infrastructure/vars/dev.tfvars already", "plan", "dev")
        self.assertEqual((self.root / "infrastructure/vars/dev.tfvars").read_text(), "mine\n")

    def test_images(self) -> None:
        self.refused("deployed as images", "plan", "dev", PACKAGE_TYPE="Image")

    def test_names_that_are_none(self) -> None:
        for name in ("../dev", "Dev", "", "dev;id", "-x"):
            with self.subTest(name):
                self.refused("is no name of a deployment", "plan", name)

    def test_actions_that_are_none(self) -> None:
        self.refused("there is no action destroy", "destroy", "dev")
        self.refused("what, and which deployment?", "plan")


if __name__ == "__main__":
    unittest.main()
