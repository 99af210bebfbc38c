"""`release_sbom.py BOM FOLDER TREE`: the BOM that cargo-cyclonedx wrote in FOLDER, with the components that `cargo tree` has in
the file TREE and no others, to standard output. Nothing in it depends on the folder, the hour or chance."""

import hashlib
import json
import re
import sys
import uuid
from pathlib import Path


def crates(tree: str) -> set[tuple[str, str]]:
    found = set(re.findall(r"^(\S+) v(\S+)", tree, re.MULTILINE))
    if not found:
        raise ValueError("cargo tree names no crate")
    return found


def reduce(bom: dict, kept: set[tuple[str, str]]) -> dict:
    program = bom["metadata"]["component"]
    components = [entry for entry in bom["components"] if (entry["name"], entry["version"]) in kept]
    # Its own package is the program itself, which has the binary's name, and the package's in its reference.
    own = program["bom-ref"].rpartition("/")[2].replace("#", "@").split("@")
    missing = {crate for crate in kept - {(entry["name"], entry["version"]) for entry in components} if crate[0] not in own}
    if missing:
        raise ValueError(f"the BOM does not know {sorted(missing)}")
    refs = {program["bom-ref"], *(entry["bom-ref"] for entry in components)}
    dependencies = [
        entry | ({"dependsOn": sorted(set(entry["dependsOn"]) & refs)} if "dependsOn" in entry else {})
        for entry in bom["dependencies"]
        if entry["ref"] in refs
    ]
    return bom | {"components": components, "dependencies": dependencies}


def main() -> None:
    path, folder, tree = sys.argv[1:]
    bom = reduce(json.loads(Path(path).read_text()), crates(Path(tree).read_text()))
    del bom["metadata"]["timestamp"], bom["serialNumber"]
    text = json.dumps(bom, indent=1, sort_keys=True).replace(f"file://{folder}", "file:///countersign")
    if folder in text:
        sys.exit(f"release_sbom: it still names {folder}")
    bom = json.loads(text)
    bom["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, hashlib.sha256(text.encode()).hexdigest())}"
    print(json.dumps(bom, indent=1, sort_keys=True))


if __name__ == "__main__":
    main()
