"""scripts/release.py, on trees and builds that are made here; scripts/release-images, with a docker that writes down what it
is asked; scripts/release-tag, with a gh that answers."""

import hashlib
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import release

SCRIPTS = Path(__file__).resolve().parent
CHANGELOG = """# Changelog

## [Unreleased]

## [1.2.3] - 2026-11-30

### Added

- A thing with `code` in it.

## [1.2.2] - 2026-11-01

- Older.

[1.2.3]: https://example.com/compare
"""
# What scripts/release-share makes, with one page for all but the first: crates/cli/tests/manual looks at what it really makes.
SHARE = [*release.SHARED, "man/man1/countersign-trust-lint.1"]


def run(*arguments: str | Path) -> subprocess.CompletedProcess:
    """As the command, without the tenth of a second that starting it costs."""
    out, err = io.StringIO(), io.StringIO()
    with mock.patch.object(sys, "argv", ["release.py", *map(str, arguments)]), redirect_stdout(out), redirect_stderr(err):
        code = release.main()
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


class Tree(unittest.TestCase):
    def setUp(self) -> None:
        self.root = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.root / "crates/cli").mkdir(parents=True)
        self.write("Cargo.toml", '[workspace.package]\nversion = "1.2.3"\n')
        self.write("crates/cli/Cargo.toml", '[package]\nname = "countersign"\nversion.workspace = true\n')
        self.write(
            "Cargo.lock",
            '[[package]]\nname = "countersign"\nversion = "1.2.3"\n\n[[package]]\nname = "x"\nversion = "9.0.0"\nsource = "r"\n',
        )
        self.write("CHANGELOG.md", CHANGELOG)
        self.write("LICENSE", "MIT\n")

    def write(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)

    def refused(self, tag: str, *expected: str) -> None:
        done = run("check", tag, "--root", self.root)
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        for text in expected:
            self.assertIn(text, done.stderr)


class Check(Tree):
    def test_a_release(self) -> None:
        done = run("check", "v1.2.3", "--root", self.root)
        self.assertEqual((done.returncode, done.stdout), (0, "version=1.2.3\nprerelease=false\n"), done.stderr)

    def test_a_prerelease(self) -> None:
        for name in ("Cargo.toml", "Cargo.lock", "CHANGELOG.md"):
            self.write(name, (self.root / name).read_text().replace("1.2.3", "1.2.3-rc.1"))
        done = run("check", "v1.2.3-rc.1", "--root", self.root)
        self.assertEqual(done.stdout, "version=1.2.3-rc.1\nprerelease=true\n", done.stderr)

    def test_tags_that_are_none(self) -> None:
        for tag in ("1.2.3", "v1.2", "v01.2.3", "v1.2.3+build", "v1.2.3-", "v1.2.3\n", "version", "v1.2.3;id"):
            with self.subTest(tag):
                self.refused(tag, "is no tag of a release")

    def test_everything_that_disagrees_is_told_at_once(self) -> None:
        self.refused("v1.2.4", "Cargo.toml says version 1.2.3", "Cargo.lock has countersign 1.2.3", "no section [1.2.4]")

    def test_a_crate_with_a_version_of_its_own(self) -> None:
        self.write("crates/cli/Cargo.toml", '[package]\nname = "countersign"\nversion = "0.9.0"\n')
        self.refused("v1.2.3", "crates/cli/Cargo.toml has a version of its own")

    def test_a_changelog_that_is_not_ready(self) -> None:
        for old, new, expected in (
            ("## [Unreleased]\n", "## [Unreleased]\n\n- New.\n", "still under [Unreleased]"),
            (" - 2026-11-30", "", "the heading has to be"),
            (" - 2026-11-30", " - 2026-11-31", "the heading has to be"),
            ("- A thing with `code` in it.\n", "", "says nothing"),
            ("## [Unreleased]\n", "", "[Unreleased] has to come first"),
            ("## [1.2.2]", "## [1.2.3]", "2 sections [1.2.3]"),
        ):
            with self.subTest(expected):
                self.write("CHANGELOG.md", CHANGELOG.replace(old, new, 1))
                self.refused("v1.2.3", expected)

    def test_a_file_that_is_not_there(self) -> None:
        (self.root / "Cargo.lock").unlink()
        self.assertEqual(run("check", "v1.2.3", "--root", self.root).returncode, 2)

    def test_notes(self) -> None:
        done = run("notes", "v1.2.3", "--root", self.root)
        self.assertEqual(done.stdout, "### Added\n\n- A thing with `code` in it.\n")
        self.assertEqual(run("notes", "v9.9.9", "--root", self.root).returncode, 1)

    def test_this_projects_own_files_can_be_read(self) -> None:
        # Between releases no tag fits; the refusal is about that, and not about a file.
        done = run("check", "v99.0.0")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("Cargo.toml says version", done.stderr)


class Assemble(Tree):
    """A program that this machine has stands for the Linux binaries, with another machine's number in its header for arm64."""

    def setUp(self) -> None:
        super().setUp()
        self.built = self.root / "built"
        self.linux = {"x86_64": elf(62), "arm64": elf(183)}
        for arch, binary in self.linux.items():
            folder = self.built / f"functions-{arch}"
            folder.mkdir(parents=True)
            with zipfile.ZipFile(folder / "jwks.zip", "w") as archive:
                archive.writestr("bootstrap", binary)
            zipped = hashlib.sha256((folder / "jwks.zip").read_bytes()).hexdigest()
            (folder / "SHA256SUMS").write_text(f"{zipped}  jwks.zip\n{hashlib.sha256(binary).hexdigest()}  jwks/bootstrap\n")
        self.cli("x86_64-unknown-linux-gnu", self.linux["x86_64"])
        self.cli("aarch64-unknown-linux-gnu", self.linux["arm64"])
        self.cli("aarch64-apple-darwin", struct.pack("<II", 0xFEEDFACF, 0x0100000C))
        self.cli("x86_64-apple-darwin", struct.pack("<II", 0xFEEDFACF, 0x01000007))
        for target in ("x86_64-unknown-linux-gnu", "aarch64-apple-darwin"):
            for name in SHARE:
                self.share(target, name, name)
        (self.built / "sbom").mkdir()
        (self.built / "sbom/jwks-arm64.cdx.json").write_text("{}\n")

    def cli(self, target: str, data: bytes) -> None:
        (self.built / f"cli-{target}").mkdir(exist_ok=True)
        (self.built / f"cli-{target}/countersign").write_bytes(data)

    def share(self, target: str, name: str, text: str) -> None:
        path = self.built / f"cli-{target}/share" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def assemble(self, dist: str = "dist") -> subprocess.CompletedProcess:
        return run(
            "assemble",
            "v1.2.3",
            "--root",
            self.root,
            "--from",
            self.built,
            "--to",
            self.root / dist,
            "--subjects",
            self.root / "subjects.txt",
        )

    def test_what_is_published(self) -> None:
        done = self.assemble()
        self.assertEqual(done.returncode, 0, done.stderr)
        dist = self.root / "dist"
        self.assertEqual(
            sorted(path.name for path in dist.iterdir()),
            [
                "SHA256SUMS",
                "countersign-1.2.3-aarch64-apple-darwin.tar.gz",
                "countersign-1.2.3-aarch64-unknown-linux-gnu.tar.gz",
                "countersign-1.2.3-functions-arm64.tar.gz",
                "countersign-1.2.3-functions-x86_64.tar.gz",
                "countersign-1.2.3-sbom.tar.gz",
                "countersign-1.2.3-x86_64-apple-darwin.tar.gz",
                "countersign-1.2.3-x86_64-unknown-linux-gnu.tar.gz",
            ],
        )
        # As a user does it, with sha256sum and tar.
        subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=dist, check=True)
        for arch, binary in self.linux.items():
            subprocess.run(["tar", "-xzf", f"countersign-1.2.3-functions-{arch}.tar.gz"], cwd=dist, check=True)
            subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=dist / arch, check=True)
            self.assertEqual((dist / arch / "jwks/bootstrap").read_bytes(), binary)
            self.assertTrue(os.access(dist / arch / "jwks/bootstrap", os.X_OK))
        # Also those that could not run where they were built.
        for target in (*release.LINUX, *release.MACOS):
            with tarfile.open(dist / f"countersign-1.2.3-{target}.tar.gz") as tar:
                self.assertEqual(
                    [(entry.name.split("/", 1)[1], oct(entry.mode)) for entry in tar],
                    [("LICENSE", "0o644"), ("countersign", "0o755"), *((f"share/{name}", "0o644") for name in sorted(SHARE))],
                )
                page = tar.extractfile(f"countersign-1.2.3-{target}/share/man/man1/countersign-trust-lint.1")
                self.assertEqual(page.read(), b"man/man1/countersign-trust-lint.1")
        subjects = dict(reversed(line.split("  ")) for line in (self.root / "subjects.txt").read_text().splitlines())
        self.assertEqual(subjects["arm64/jwks/bootstrap"], hashlib.sha256(self.linux["arm64"]).hexdigest())
        self.assertEqual(subjects["SHA256SUMS"], hashlib.sha256((dist / "SHA256SUMS").read_bytes()).hexdigest())

    def test_the_same_bytes_twice(self) -> None:
        self.assertEqual([self.assemble("one").returncode, self.assemble("two").returncode], [0, 0])
        self.assertEqual((self.root / "one/SHA256SUMS").read_text(), (self.root / "two/SHA256SUMS").read_text())

    def refused_build(self, expected: str) -> None:
        shutil.rmtree(self.root / "dist", ignore_errors=True)
        done = self.assemble()
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(expected, done.stderr)

    def test_a_zip_that_is_not_the_one_built(self) -> None:
        with zipfile.ZipFile(self.built / "functions-arm64/jwks.zip", "w") as archive:
            archive.writestr("bootstrap", b"another")
        self.refused_build("functions-arm64/jwks.zip is not the file")
        self.refused_build("functions-arm64/jwks/bootstrap is not the file")

    def test_a_zip_that_nobody_names(self) -> None:
        (self.built / "functions-arm64/other.zip").write_bytes(b"")
        self.refused_build("functions-arm64/other.zip is not in SHA256SUMS")

    def test_a_name_that_leads_elsewhere(self) -> None:
        sums = self.built / "functions-arm64/SHA256SUMS"
        sums.write_text(sums.read_text() + f"{'0' * 64}  ../jwks.zip\n")
        self.refused_build("names ../jwks.zip, which is no function's")

    def test_an_architecture_that_is_missing(self) -> None:
        shutil.rmtree(self.built / "functions-arm64")
        self.refused_build("there is no functions-arm64/SHA256SUMS")

    def test_a_function_that_is_missing(self) -> None:
        sums = self.built / "functions-arm64/SHA256SUMS"
        sums.write_text("")
        self.refused_build("do not hold the same functions")

    def test_a_program_for_another_machine(self) -> None:
        self.cli("x86_64-unknown-linux-gnu", self.linux["arm64"])
        self.refused_build("cli-x86_64-unknown-linux-gnu is for ELF machine 183")
        self.cli("x86_64-apple-darwin", struct.pack("<II", 0xFEEDFACF, 0x0100000C))
        self.refused_build("cli-x86_64-apple-darwin holds no program for x86_64-apple-darwin")

    def test_a_program_that_needs_a_newer_glibc(self) -> None:
        self.cli("x86_64-unknown-linux-gnu", elf(62, "GLIBC_2.34"))
        self.refused_build("needs GLIBC_2.34")

    def test_a_program_or_sbom_that_is_missing(self) -> None:
        (self.built / "cli-aarch64-apple-darwin/countersign").unlink()
        (self.built / "sbom/jwks-arm64.cdx.json").unlink()
        self.refused_build("there is no cli-aarch64-apple-darwin/countersign")
        self.refused_build("there is no sbom/*.cdx.json")

    def test_pages_and_completions_that_nobody_made(self) -> None:
        for target in ("x86_64-unknown-linux-gnu", "aarch64-apple-darwin"):
            shutil.rmtree(self.built / f"cli-{target}/share")
        self.refused_build("there is no cli-TARGET/share")

    def test_pages_and_completions_that_are_not_the_same(self) -> None:
        self.share("aarch64-apple-darwin", "man/man1/countersign.1", "of another version")
        self.share("aarch64-apple-darwin", "man/man1/countersign-new.1", "")
        self.refused_build("cli-aarch64-apple-darwin/share/man/man1/countersign.1 is not that of cli-x86_64-unknown-linux-gnu")
        self.refused_build("cli-aarch64-apple-darwin/share/man/man1/countersign-new.1 is not that of")

    def test_pages_and_completions_that_are_missing_or_others(self) -> None:
        for target in ("x86_64-unknown-linux-gnu", "aarch64-apple-darwin"):
            (self.built / f"cli-{target}/share/zsh/site-functions/_countersign").unlink()
            self.share(target, "man/man1/ls.1", "")
        self.refused_build("share/zsh/site-functions/_countersign is missing")
        self.refused_build("share/man/man1/ls.1 is neither a page nor a completion")

    def test_what_lies_in_the_way(self) -> None:
        (self.root / "dist").mkdir()
        (self.root / "dist/old.tar.gz").write_text("")
        done = self.assemble()
        self.assertEqual(done.returncode, 1)
        self.assertIn("is not empty", done.stderr)


def elf(machine: int, version: str = "GLIBC_2.2.5") -> bytes:
    """The least that scripts/package.py reads: one library, one version of it."""
    strings = b"\0libc.so.6\0" + version.encode() + b"\0"
    dynamic = struct.pack("<qQqQ", 1, 1, 0, 0)
    need = struct.pack("<HHIII", 1, 1, 1, 16, 0) + struct.pack("<IHHII", 0, 0, 0, 11, 0)
    body = strings + dynamic + need
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01", 2, machine, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, 4, 0)

    def section(kind: int, start: int, size: int, link: int, info: int) -> bytes:
        return struct.pack("<IIQQQQIIQQ", 0, kind, 0, 0, start, size, link, info, 0, 0)

    at = 64
    return (
        header
        + body
        + section(0, 0, 0, 0, 0)
        + section(3, at, len(strings), 0, 0)
        + section(6, at + len(strings), len(dynamic), 1, 0)
        + section(0x6FFFFFFE, at + len(strings) + len(dynamic), len(need), 1, 1)
    )


class Sbom(unittest.TestCase):
    """A workspace of three crates, of which the program uses one and its tests another."""

    BOM = {
        "bomFormat": "CycloneDX",
        "serialNumber": "urn:uuid:by-chance",
        "metadata": {
            "timestamp": "now",
            "component": {"name": "jwks", "version": "1.0.0", "bom-ref": "path+file:///src/crates/jwks#1.0.0"},
        },
        "components": [
            {"name": "used", "version": "2.0.0", "bom-ref": "used"},
            {"name": "unused", "version": "3.0.0", "bom-ref": "unused"},
        ],
        "dependencies": [
            {"ref": "path+file:///src/crates/jwks#1.0.0", "dependsOn": ["used", "unused"]},
            {"ref": "used"},
            {"ref": "unused"},
        ],
    }

    def sbom(self, tree: str) -> subprocess.CompletedProcess:
        work = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (work / "bom").write_text(json.dumps(self.BOM))
        (work / "tree").write_text(tree)
        return subprocess.run(
            [sys.executable, SCRIPTS / "release_sbom.py", work / "bom", "/src", work / "tree"],
            capture_output=True,
            text=True,
            check=False,
        )

    def test_only_what_the_program_is_made_of(self) -> None:
        done = self.sbom("jwks v1.0.0 (/src/crates/jwks)\nused v2.0.0\nused v2.0.0 (*)\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        bom = json.loads(done.stdout)
        self.assertEqual([entry["name"] for entry in bom["components"]], ["used"])
        self.assertEqual(
            bom["dependencies"][0], {"ref": "path+file:///countersign/crates/jwks#1.0.0", "dependsOn": ["used"]}
        )
        self.assertEqual(len(bom["dependencies"]), 2)
        self.assertNotIn("timestamp", bom["metadata"])
        self.assertEqual(done.stdout, self.sbom("jwks v1.0.0\nused v2.0.0\n").stdout)

    def test_a_crate_that_the_bom_does_not_know(self) -> None:
        done = self.sbom("jwks v1.0.0\nused v2.0.1\n")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("('used', '2.0.1')", done.stderr)

    def test_a_tree_that_names_nothing(self) -> None:
        self.assertIn("names no crate", self.sbom("error\n").stderr)


class Images(unittest.TestCase):
    DOCKER = """#!/usr/bin/env python3
import json, os, sys
arguments = sys.argv[1:]
with open(os.environ["ASKED"], "a") as asked:
    asked.write(json.dumps(arguments) + "\\n")
with open(arguments[arguments.index("--metadata-file") + 1], "w") as metadata:
    json.dump({"containerimage.digest": os.environ["DIGEST"]}, metadata)
"""

    def push(
        self, digest: str, architectures: tuple[str, ...] = ("arm64", "x86_64")
    ) -> tuple[subprocess.CompletedProcess, Path]:
        work = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (work / "bin").mkdir()
        (work / "bin/docker").write_text(self.DOCKER)
        (work / "bin/docker").chmod(0o755)
        for arch in architectures:
            (work / "packages" / arch / "jwks").mkdir(parents=True)
            (work / "packages" / arch / "jwks/bootstrap").write_text("")
        environment = os.environ | {
            "PATH": f"{work}/bin:{os.environ['PATH']}",
            "ASKED": str(work / "asked"),
            "DIGEST": digest,
        }
        done = subprocess.run(
            [SCRIPTS / "release-images", "1.2.3", "ghcr.io/o/r", work / "packages", work / "images.txt"],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        return done, work

    def test_one_image_for_each_function_and_architecture(self) -> None:
        done, work = self.push("sha256:" + "a" * 64)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        self.assertEqual((work / "images.txt").read_text(), f"{'a' * 64}  ghcr.io/o/r/jwks\n" * 2)
        asked = [json.loads(line) for line in (work / "asked").read_text().splitlines()]
        self.assertEqual(
            [(line[line.index("--platform") + 1], line[line.index("--tag") + 1]) for line in asked],
            [("linux/arm64", "ghcr.io/o/r/jwks:1.2.3-arm64"), ("linux/amd64", "ghcr.io/o/r/jwks:1.2.3-x86_64")],
        )
        self.assertIn("--provenance=false", asked[0])

    def test_a_digest_that_is_none(self) -> None:
        done, _ = self.push("latest")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("no sha256 digest", done.stderr)

    def test_an_architecture_without_functions(self) -> None:
        done, _ = self.push("sha256:" + "a" * 64, ("arm64",))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("x86_64/FUNCTION/bootstrap", done.stderr)


class Tag(unittest.TestCase):
    """scripts/release-tag, with a gh that knows one tag, and one release if there is any."""

    GH = """#!/usr/bin/env bash
case "$2" in
    repos/o/r/commits/tags/v1.2.3) [ -z "$NO_NET" ] || { echo "gh: dial tcp" >&2; exit 1; }; echo "$AT" ;;
    repos/o/r/releases/tags/v1.2.3) echo "$RELEASE" >&2; [ "$RELEASE" = published ] ;;
    *) echo "gh: asked for $2" >&2; exit 1 ;;
esac
"""

    def ask(self, **given: str) -> subprocess.CompletedProcess:
        work = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (work / "gh").write_text(self.GH)
        (work / "gh").chmod(0o755)
        environment = {
            "PATH": f"{work}:{os.environ['PATH']}",
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_REF_NAME": "v1.2.3",
            "GITHUB_SHA": "a" * 40,
            "AT": "a" * 40,
            "RELEASE": "gh: Not Found (HTTP 404)",
            "NO_NET": "",
        }
        return subprocess.run(
            [SCRIPTS / "release-tag"], capture_output=True, text=True, check=False, env=environment | given
        )

    def test_a_tag_that_is_where_it_was(self) -> None:
        done = self.ask()
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_a_tag_that_was_moved(self) -> None:
        done = self.ask(AT="b" * 40)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(f"the tag v1.2.3 is at {'b' * 40}", done.stderr)

    def test_a_release_that_is_out(self) -> None:
        done = self.ask(RELEASE="published")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("v1.2.3 is out already", done.stderr)

    def test_a_github_that_does_not_say(self) -> None:
        for given in ({"NO_NET": "1"}, {"RELEASE": "gh: Bad Gateway (HTTP 502)"}, {"GITHUB_REF_NAME": "v9.9.9"}):
            with self.subTest(given):
                done = self.ask(**given)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn("GitHub does not say", done.stderr)


if __name__ == "__main__":
    unittest.main()
