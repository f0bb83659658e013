#!/usr/bin/env python3
"""Answers vectors with this peer, for `dchat-conformance vectors`.

    dchat-conformance vectors -- python spec/interop/shim.py

A line of JSON in, `{id, op, input}`; a line of JSON out: `{id, result: "valid", expected}`,
`{id, result: "invalid", error, field, expected}` with the last two only where they are known, or
`{id, unsupported: true}` for what this peer does not speak.
"""

from __future__ import annotations

import json
import sys

from encoding import Refused
from test_vectors import NotSpoken, answer


def said(question: dict) -> dict:
    """The line that answers a question."""
    line = {"id": question["id"]}
    try:
        return line | {"result": "valid", "expected": answer(question["op"], question["input"])}
    except NotSpoken:
        return line | {"unsupported": True}
    except Refused as refused:
        line |= {"result": "invalid", "error": refused.error}
        if refused.field is not None:
            line["field"] = refused.field
        if hasattr(refused, "output"):
            line["expected"] = refused.output
        return line
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        comment = f"{type(error).__name__}: {error}"
        return line | {"result": "invalid", "error": "no-question", "comment": comment}


def main() -> int:
    for line in sys.stdin:
        print(json.dumps(said(json.loads(line))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
