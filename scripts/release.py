"""What a release is made of, apart from building it. .github/workflows/release.yml runs the three commands in this order:

    release.py check v1.2.3          do tag, Cargo.toml, Cargo.lock and CHANGELOG.md agree? Prints `version=1.2.3` and
                                     `prerelease=false`, as a step's outputs are written
    release.py notes v1.2.3          the section of CHANGELOG.md
    release.py assemble v1.2.3 --from BUILT --to DIST --subjects FILE
                                     archives and SHA256SUMS from what the jobs have built, and the digests to attest

Exit 1 with everything that is wrong, 2 if a file cannot be read. It needs Python 3.11 and nothing else.
"""

import argparse
import datetime
import gzip
import hashlib
import io
import re
import struct
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import package

ARCHITECTURES = ("arm64", "x86_64")
# scripts/release-cli builds them; the glibc is the oldest that Rust itself runs on.
GLIBC = "2.17"
LINUX = {"aarch64-unknown-linux-gnu": "arm64", "x86_64-unknown-linux-gnu": "x86_64"}
# cputype of a 64-bit Mach-O file: mach/machine.h.
MACOS = {"aarch64-apple-darwin": 0x0100000C, "x86_64-apple-darwin": 0x01000007}

# What scripts/release-share makes beside a program. They become names in an archive, which people unpack.
PAGE = re.compile(r"man/man1/countersign[a-z-]*\.1")
SHARED = {
    "man/man1/countersign.1",
    "bash-completion/completions/countersign",
    "fish/vendor_completions.d/countersign.fish",
    "zsh/site-functions/_countersign",
}

# No build metadata: a container tag cannot hold a plus sign.
NUMBER = r"(?:0|[1-9][0-9]*)"
VERSION = re.compile(rf"{NUMBER}\.{NUMBER}\.{NUMBER}(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?")


class Refused(Exception):
    """Everything that is wrong, each as one clause."""


def version_of(tag: str) -> str:
    if not tag.startswith("v") or not VERSION.fullmatch(tag[1:]):
        raise Refused([f"{tag} is no tag of a release: v1.2.3, or v1.2.3-rc.1"])
    return tag[1:]


def sections(changelog: str) -> list[tuple[str, str, str]]:
    """Name, rest of the heading and body of each `## [NAME]`, in the order of the file. Links at the end belong to none."""
    found = re.split(r"^## \[([^\]]+)\](.*)$", changelog, flags=re.MULTILINE)[1:]
    links = re.compile(r"^\[[^\]]+\]: \S+$", re.MULTILINE)
    return [
        (name, rest.strip(), links.sub("", body).strip())
        for name, rest, body in zip(found[::3], found[1::3], found[2::3], strict=True)
    ]


def check_changelog(version: str, changelog: str) -> list[str]:
    found = sections(changelog)
    mine = [entry for entry in found if entry[0] == version]
    if not mine:
        return [f"CHANGELOG.md has no section [{version}]: move what is under [Unreleased] there, with the day"]
    wrong = []
    if len(mine) > 1:
        wrong.append(f"CHANGELOG.md has {len(mine)} sections [{version}]")
    _, rest, body = mine[0]
    try:
        datetime.date.fromisoformat(rest.removeprefix("- "))
    except ValueError:
        wrong.append(f"CHANGELOG.md: the heading has to be `## [{version}] - YYYY-MM-DD`")
    if not re.search(r"^- ", body, re.MULTILINE):
        wrong.append(f"CHANGELOG.md: the section [{version}] says nothing")
    if [name for name, _, _ in found][:2] != ["Unreleased", version]:
        wrong.append(f"CHANGELOG.md: [Unreleased] has to come first, and [{version}] next")
    elif found[0][2]:
        wrong.append(f"CHANGELOG.md: something is still under [Unreleased], and belongs to [{version}]")
    return wrong


def check(tag: str, root: Path) -> str:
    version = version_of(tag)
    wrong = []
    stated = tomllib.loads((root / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    if stated != version:
        wrong.append(f"Cargo.toml says version {stated}, and the tag is {tag}")
    names = []
    for manifest in sorted(root.glob("crates/*/Cargo.toml")):
        crate = tomllib.loads(manifest.read_text())["package"]
        names.append(crate["name"])
        if crate.get("version") not in ({"workspace": True}, version):
            wrong.append(f"{manifest.relative_to(root)} has a version of its own: version.workspace = true")
    locked = {
        entry["name"]: entry["version"]
        for entry in tomllib.loads((root / "Cargo.lock").read_text())["package"]
        if "source" not in entry
    }
    for name in names:
        if locked.get(name) != version:
            wrong.append(f"Cargo.lock has {name} {locked.get(name, 'not at all')}: run `cargo check`, and commit the file")
    wrong += check_changelog(version, (root / "CHANGELOG.md").read_text())
    if wrong:
        raise Refused(wrong)
    return version


def notes(tag: str, root: Path) -> str:
    version = version_of(tag)
    for name, _, body in sections((root / "CHANGELOG.md").read_text()):
        if name == version and body:
            return body
    raise Refused([f"CHANGELOG.md has no section [{version}]"])


def archive(path: Path, files: list[tuple[str, bytes, int]]) -> None:
    """A tar.gz that depends on nothing but names, content and mode."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data, mode in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), mode
            tar.addfile(entry, io.BytesIO(data))
    path.write_bytes(gzip.compress(buffer.getvalue(), 9, mtime=0))


def functions(folder: Path, arch: str, wrong: list[str]) -> list[tuple[str, bytes, int]]:
    """The folder that scripts/package has made, as it was: every file against its SHA256SUMS."""
    files = []
    if not (folder / "SHA256SUMS").is_file():
        wrong.append(f"there is no {folder.name}/SHA256SUMS: scripts/package {arch} makes it")
        return files
    sums = (folder / "SHA256SUMS").read_bytes()
    there = {path.name for path in folder.iterdir()} - {"SHA256SUMS"}
    for line in sums.decode().splitlines():
        digest, name = line.split("  ")
        # It becomes a name in an archive, which people unpack.
        if not re.fullmatch(r"[a-z0-9-]+(?:\.zip|/bootstrap)", name):
            wrong.append(f"{folder.name}/SHA256SUMS names {name}, which is no function's")
            continue
        there.discard(name)
        zipped = folder / (name.removesuffix("/bootstrap") + ".zip" if name.endswith("/bootstrap") else name)
        if not zipped.is_file():
            wrong.append(f"{folder.name}/{zipped.name} is missing")
            continue
        data = zipped.read_bytes()
        if name.endswith("/bootstrap"):
            data = zipfile.ZipFile(zipped).read("bootstrap")
        if hashlib.sha256(data).hexdigest() != digest:
            wrong.append(f"{folder.name}/{name} is not the file that SHA256SUMS names")
        files.append((f"{arch}/{name}", data, 0o755 if name.endswith("/bootstrap") else 0o644))
    # The job that pushes images takes every zip.
    wrong += [f"{folder.name}/{name} is not in SHA256SUMS" for name in sorted(there)]
    files.append((f"{arch}/SHA256SUMS", sums, 0o644))
    return files


def command(binary: Path, target: str, wrong: list[str]) -> bytes:
    if not binary.is_file():
        wrong.append(f"there is no {binary.parent.name}/{binary.name}: scripts/release-cli {target} makes it")
        return b""
    data = binary.read_bytes()
    if target in LINUX:
        wrong += [f"{binary.parent.name} {problem}" for problem in package.problems(data, LINUX[target], GLIBC, [])]
    elif len(data) < 8 or struct.unpack_from("<II", data) != (0xFEEDFACF, MACOS[target]):
        wrong.append(f"{binary.parent.name} holds no program for {target}")
    return data


def share(built: Path, wrong: list[str]) -> dict[str, bytes]:
    """Manual pages and completions, made by each program that could run where it was built. They are to be the same: so the
    programs that could not run there are packed with what the others made."""
    made: dict[str, dict[str, bytes]] = {}
    for target in (*LINUX, *MACOS):
        folder = built / f"cli-{target}" / "share"
        if folder.is_dir():
            files = (path for path in folder.rglob("*") if not path.is_dir())
            made[target] = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    if not made:
        wrong.append("there is no cli-TARGET/share: scripts/release-cli makes it where the program can run")
        return {}
    first, found = next(iter(made.items()))
    wrong += [f"cli-{first}/share/{name} is missing" for name in sorted(SHARED - set(found))]
    others = sorted(name for name in set(found) - SHARED if not PAGE.fullmatch(name))
    wrong += [f"cli-{first}/share/{name} is neither a page nor a completion" for name in others]
    for target, files in made.items():
        names = sorted(name for name in found.keys() | files.keys() if found.get(name) != files.get(name))
        wrong += [f"cli-{target}/share/{name} is not that of cli-{first}" for name in names]
    return found


def assemble(tag: str, root: Path, built: Path, dist: Path, subjects: Path) -> None:
    version = version_of(tag)
    stem = f"countersign-{version}"
    if dist.exists() and any(dist.iterdir()):
        raise Refused([f"{dist} is not empty: what lies there would be published too"])
    dist.mkdir(parents=True, exist_ok=True)
    wrong: list[str] = []
    inside: list[tuple[str, bytes]] = []

    names = {}
    for arch in ARCHITECTURES:
        files = functions(built / f"functions-{arch}", arch, wrong)
        names[arch] = sorted(name.removeprefix(arch) for name, _, _ in files)
        inside += [(name, data) for name, data, _ in files if not name.endswith("SHA256SUMS")]
        archive(dist / f"{stem}-functions-{arch}.tar.gz", files)
    if names["arm64"] != names["x86_64"]:
        wrong.append("the two architectures do not hold the same functions")

    licence = (root / "LICENSE").read_bytes()
    shared = share(built, wrong)
    for target in (*LINUX, *MACOS):
        data = command(built / f"cli-{target}" / "countersign", target, wrong)
        folder = f"{stem}-{target}"
        files = [(f"{folder}/countersign", data, 0o755), (f"{folder}/LICENSE", licence, 0o644)]
        files += [(f"{folder}/share/{name}", text, 0o644) for name, text in shared.items()]
        archive(dist / f"{folder}.tar.gz", files)
        inside.append((f"{folder}/countersign", data))

    sboms = [(path.name, path.read_bytes(), 0o644) for path in (built / "sbom").glob("*.cdx.json")]
    if not sboms:
        wrong.append("there is no sbom/*.cdx.json: scripts/release-sbom makes them")
    archive(dist / f"{stem}-sbom.tar.gz", [(f"{stem}-sbom/{name}", data, mode) for name, data, mode in sboms])
    if wrong:
        raise Refused(wrong)

    def sums(files: list[tuple[str, bytes]]) -> str:
        return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files)

    published = sums([(path.name, path.read_bytes()) for path in sorted(dist.iterdir())])
    (dist / "SHA256SUMS").write_text(published)
    # What is in the archives is attested by itself too: a zip or binary can be verified without the archive around it.
    subjects.write_text(published + sums([("SHA256SUMS", published.encode()), *inside]))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=("check", "notes", "assemble"))
    parser.add_argument("tag")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--from", dest="built", type=Path)
    parser.add_argument("--to", dest="dist", type=Path)
    parser.add_argument("--subjects", type=Path)
    options = parser.parse_args()
    try:
        if options.action == "check":
            version = check(options.tag, options.root)
            print(f"version={version}\nprerelease={'true' if '-' in version else 'false'}")
        elif options.action == "notes":
            print(notes(options.tag, options.root))
        else:
            if not (options.built and options.dist and options.subjects):
                parser.error("assemble needs --from, --to and --subjects")
            assemble(options.tag, options.root, options.built, options.dist, options.subjects)
    except Refused as refused:
        for problem in refused.args[0]:
            print(f"release: {problem}", file=sys.stderr)
        return 1
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        print(f"release: cannot be read: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
