"""Checks that the sans-IO cores stay so: no runtime in their dependency tree, and no socket, clock,
operating system randomness or hash-map order in their sources.

Clippy bans the same by name inside each core; this catches what a lint cannot see: a dependency.
"""

import pathlib
import re
import subprocess
import sys

# Crates that are cores as a whole, and the pure modules of the others.
CORE_CRATES = ["wire", "kademlia", "gossip", "nat"]
PURE_MODULES = [
    "transport/src/path", "transport/src/congestion", "transport/src/relay/proto",
    "app/src/conversation", "app/src/group", "spec/src/sim",
]
# The generator of the test vectors makes every byte by hand. Without the simulated world nothing of
# ours may be left in its dependency tree, or the vectors would be compared with themselves.
BY_HAND = ["-p", "dchat-spec", "--no-default-features"]
FORBIDDEN_CRATES = {"tokio", "quinn", "mio", "socket2", "async-std", "smol"}
FORBIDDEN_TEXT = re.compile(
    r"\btokio\b|Instant::now|SystemTime::now|UdpSocket|TcpStream|\bOsRng\b|thread_rng|getrandom"
    r"|HashMap|HashSet|std::fs\b|std::env\b|std::thread\b"
)


def sources(folder):
    """Rust sources below `folder`, without their tests."""
    for path in sorted(pathlib.Path(folder).rglob("*.rs")):
        if "tests" not in path.parts and path.name != "tests.rs":
            yield path


def code_lines(path):
    """Numbered lines that are neither comments nor inside a trailing test module."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.strip() == "#[cfg(test)]":
            return
        if not line.lstrip().startswith("//"):
            yield number, line


def dependencies(*of):
    """Names of all crates in the ordinary dependency tree of a package."""
    tree = subprocess.check_output(
        ["cargo", "tree", *of, "-e", "normal", "--prefix", "none", "--locked", "--format", "{p}"],
        text=True)
    return sorted({line.split()[0] for line in tree.splitlines() if line})


def main():
    faults = []
    for crate in CORE_CRATES:
        if not pathlib.Path(crate).is_dir():
            continue
        for name in dependencies("-p", f"dchat-{crate}"):
            if name in FORBIDDEN_CRATES:
                faults.append(f"{crate} depends on {name}")
    for name in dependencies(*BY_HAND):
        if name.startswith("dchat") and name != "dchat-spec":
            faults.append(f"the generator of the vectors depends on {name}")
    pure = [f"{crate}/src" for crate in CORE_CRATES] + PURE_MODULES
    checked = 0
    for folder in pure:
        for path in sources(folder):
            checked += 1
            for number, line in code_lines(path):
                if found := FORBIDDEN_TEXT.search(line):
                    faults.append(f"{path}:{number}: {found.group()} in a pure module")
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{checked} pure files, {len(faults)} faults")
    return 1 if faults or checked == 0 else 0


sys.exit(main())
