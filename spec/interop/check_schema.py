#!/usr/bin/env python3
"""Holds every file of vectors to ../vectors/schema.json, JSON Schema draft 2020-12.

    python check_schema.py [FOLDER]

The schema must be a valid one, every file must follow it, and it must refuse each of the faults below
in a file that is right without it. Exit code 0 when all of that holds.
"""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path

from jsonschema import Draft202012Validator

VECTORS = Path(__file__).parent.parent / "vectors"


def lacks(name):
    return lambda case: case.pop(name, None)


def sets(name, value):
    return lambda case: case.__setitem__(name, value)


def input_lacks_all(case):
    case["input"] = {}


def input_has_more(case):
    case["input"]["surplus"] = "00"


# Faults of one case, which the schema must see.
FAULTS = {
    "no id": lacks("id"),
    "an id without a suite": sets("id", "alone"),
    "an id with capitals": sets("id", "Ping/plain"),
    "no operation": lacks("op"),
    "an operation that is none": sets("op", "guess"),
    "no requirement": sets("req", []),
    "no requirement's id": sets("req", ["WIRE-1"]),
    "no result": lacks("result"),
    "a result that is none": sets("result", "perhaps"),
    "no input": lacks("input"),
    "an empty input": input_lacks_all,
    "an input nobody asks for": input_has_more,
    "a field that is none": sets("field", "somewhere"),
    "a name that is not known": sets("note", "x"),
}


def reasons(validator: Draft202012Validator, value) -> list[str]:
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(value)]


def unseen(validator: Draft202012Validator, suite: dict) -> list[str]:
    """The faults that the schema does not see in the first valid and the first invalid case."""
    found = []
    for result, needed in (("valid", "expected"), ("invalid", "error")):
        case = next((case for case in suite["cases"] if case["result"] == result), None)
        if case is None:
            continue
        faults = FAULTS | {f"{result} without {needed}": lacks(needed)}
        for name, spoil in faults.items():
            spoiled = copy.deepcopy(case)
            spoil(spoiled)
            if not reasons(validator, suite | {"cases": [spoiled]}):
                found.append(f"{case['id']} with {name} is accepted")
    return found


def main(folder: Path = VECTORS) -> int:
    schema = json.loads((folder / "schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    wrong, files = [], 0
    for path in sorted(folder.glob("*.json")):
        if path.name == "schema.json":
            continue
        files += 1
        suite = json.loads(path.read_text(encoding="utf-8"))
        wrong += [f"{path.name}: {reason}" for reason in reasons(validator, suite)]
        wrong += [f"{path.name}: {reason}" for reason in unseen(validator, suite)]
    print("\n".join(wrong[:50]))
    print(f"{files} files, {len(wrong)} faults")
    return 1 if wrong or not files else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:2])))
