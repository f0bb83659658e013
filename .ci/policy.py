"""Checks every dependency in Cargo.lock against the policy in .github/DEPENDENCIES.md.

Licences must be permissive, sources must be crates.io, and an exception must not be past its date.
Advisories need a database from the network; the hosted workflow checks them with cargo-deny.
"""

import datetime
import json
import re
import subprocess
import sys

ALLOWED = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause",
    "BSL-1.0", "CC0-1.0", "CDLA-Permissive-2.0", "ISC", "MIT", "MIT-0", "OpenSSL",
    "Unicode-3.0", "Unlicense", "WTFPL", "Zlib", "blessing",
}
REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"
# name -> (exact version, review by, why). The way out is written in .github/DEPENDENCIES.md.
EXCEPTIONS = {
    "bincode": ("2.0.1", "2027-05-21", "unmaintained, RUSTSEC-2025-0141"),
}


def permitted(expression):
    """Whether an SPDX expression can be satisfied with allowed licences only."""
    expression = expression.replace("/", " OR ")
    tokens = re.findall(r"\(|\)|[\w.+-]+(?: WITH [\w.+-]+)?", expression)
    words = []
    for token in tokens:
        if token in ("(", ")"):
            words.append(token)
        elif token in ("AND", "OR"):
            words.append(token.lower())
        else:
            words.append(str(token in ALLOWED))
    return eval(" ".join(words), {"__builtins__": {}}, {})  # only (), and, or, True, False


def main():
    metadata = json.loads(subprocess.check_output(
        ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"]))
    faults = []
    for package in metadata["packages"]:
        name, version, source = package["name"], package["version"], package["source"]
        if source is None:
            continue
        if source != REGISTRY:
            faults.append(f"{name} {version} comes from {source}")
        licence = package["license"]
        if not licence or not permitted(licence):
            faults.append(f"{name} {version} has the licence {licence}")
        if name in EXCEPTIONS:
            wanted, until, why = EXCEPTIONS[name]
            if version != wanted:
                faults.append(f"{name} is {version}, the exception is for {wanted} ({why})")
            if datetime.date.today().isoformat() > until:
                faults.append(f"the exception for {name} ({why}) was due for review on {until}")
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{len(metadata['packages'])} packages, {len(faults)} against the policy")
    return 1 if faults else 0


sys.exit(main())
