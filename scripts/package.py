"""The second half of scripts/package: looks at the binaries that were built, and writes the zips.

`package.py --arch ARCH --glibc 2.34 --forbid FOLDER... OUT NAME=BYTES...` makes OUT/NAME.zip of OUT/NAME/bootstrap, of at
most so many bytes, and OUT/SHA256SUMS. It reads ELF by itself, since objdump and readelf are not on every machine that can
build.
"""

import argparse
import hashlib
import os
import re
import struct
import sys
import time
import zipfile
from pathlib import Path

MACHINES = {"x86_64": 62, "arm64": 183}
# What glibc itself brings. Anything else would have to be in the package, and Lambda would say so at the first request.
SYSTEM_LIBRARIES = re.compile(r"(libc|libm|libdl|libpthread|librt|libutil|ld-linux-x86-64|ld-linux-aarch64)\.so\.\d+")


class Elf:
    """As much of a 64-bit little-endian ELF file as is asked here: its machine, the libraries and the versions it needs."""

    def __init__(self, data: bytes) -> None:
        if data[:6] != b"\x7fELF\x02\x01":
            raise ValueError("not a 64-bit little-endian ELF file")
        self.data = data
        (self.machine,) = struct.unpack_from("<H", data, 18)
        (table,) = struct.unpack_from("<Q", data, 40)
        size, count = struct.unpack_from("<HH", data, 58)
        # type, offset, size, link (the section of its strings), info (how many entries)
        self.sections = [struct.unpack_from("<4xI16xQQII", data, table + size * index) for index in range(count)]

    def _text(self, strings: int, offset: int) -> str:
        start = self.sections[strings][1] + offset
        return self.data[start : self.data.index(b"\0", start)].decode()

    def libraries(self) -> list[str]:
        """DT_NEEDED."""
        found = []
        for kind, start, size, strings, _ in self.sections:
            if kind == 6:  # SHT_DYNAMIC
                entries = struct.iter_unpack("<qQ", self.data[start : start + size])
                found += [self._text(strings, value) for tag, value in entries if tag == 1]
        if not found:
            raise ValueError("it needs no library at all, so nothing is known of its glibc")
        return found

    def versions(self) -> list[str]:
        """Names of the symbol versions that it needs, such as GLIBC_2.34."""
        found = []
        for kind, start, _, strings, count in self.sections:
            if kind != 0x6FFFFFFE:  # SHT_GNU_verneed
                continue
            library = start
            for _ in range(count):
                _, names, _, first, following = struct.unpack_from("<HHIII", self.data, library)
                name = library + first
                for _ in range(names):
                    _, _, _, text, step = struct.unpack_from("<IHHII", self.data, name)
                    found.append(self._text(strings, text))
                    name += step
                library += following
        return sorted(set(found))


def number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def problems(data: bytes, arch: str, glibc: str, forbidden: list[str]) -> list[str]:
    """What is wrong with a binary, in the words of scripts/package."""
    try:
        elf = Elf(data)
        libraries, versions = elf.libraries(), elf.versions()
    except (ValueError, struct.error, IndexError) as error:
        return [f"cannot be read: {error}"]
    found = []
    if elf.machine != MACHINES[arch]:
        found.append(f"is for ELF machine {elf.machine}, and {arch} is {MACHINES[arch]}")
    for library in libraries:
        if not SYSTEM_LIBRARIES.fullmatch(library):
            found.append(f"needs {library}, which Lambda does not promise")
    if not any(version.startswith("GLIBC_2.") for version in versions):
        found.append("names no version of glibc, so this check would see nothing")
    for version in versions:
        name, _, value = version.partition("_")
        if name != "GLIBC" or not re.fullmatch(r"[0-9.]+", value):
            found.append(f"needs {version}, which is no public version of glibc")
        elif number(value) > number(glibc):
            found.append(f"needs {version}, and Amazon Linux 2023 has glibc {glibc}: the function would not start")
    for folder in forbidden:
        if f"{folder}/".encode() in data:
            found.append(f"holds the path {folder}/ of this machine, so another one would make other bytes")
    return found


def write_zip(path: Path, data: bytes) -> None:
    """One file, whose entry depends on nothing but its content. cargo-lambda's own zip holds the time of the build."""
    entry = zipfile.ZipInfo("bootstrap", date_time=time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"]))[:6])
    entry.create_system = 3  # Unix, whichever system this is: the mode is read from it
    entry.external_attr = 0o100755 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, data, zipfile.ZIP_DEFLATED, 9)


def named(argument: str) -> tuple[str, int]:
    """NAME=BYTES."""
    name, _, budget = argument.partition("=")
    return name, int(budget)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--arch", choices=MACHINES, required=True)
    parser.add_argument("--glibc", required=True)
    parser.add_argument("--forbid", action="append", default=[])
    parser.add_argument("out", type=Path)
    parser.add_argument("functions", type=named, metavar="NAME=BYTES", nargs="+")
    options = parser.parse_args()
    # `/src/` or `/build/` is part of many paths that are no folder of this machine.
    forbidden = sorted({folder for folder in options.forbid if folder.rstrip("/").count("/") > 1})

    wrong, sums = [], []
    print(f"{'function':<15} {'arch':<7} {'zip bytes':>10} {'MiB':>6} {'unzipped':>10}  sha256 of the zip")
    for name, budget in options.functions:
        binary, package = options.out / name / "bootstrap", options.out / f"{name}.zip"
        data = binary.read_bytes()
        write_zip(package, data)
        size = package.stat().st_size
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        sums += [f"{digest}  {package.name}", f"{hashlib.sha256(data).hexdigest()}  {name}/bootstrap"]
        print(f"{name:<15} {options.arch:<7} {size:>10} {size / 2**20:>6.2f} {len(data):>10}  {digest}")
        wrong += [f"{name} {problem}" for problem in problems(data, options.arch, options.glibc, forbidden)]
        if size > budget:
            wrong.append(f"{name}.zip has {size} bytes, and the budget is {budget}")
    sys.stdout.flush()
    (options.out / "SHA256SUMS").write_text("".join(f"{line}\n" for line in sums))
    for problem in wrong:
        print(f"package: {problem}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
