"""Checks the object on standard input against bounds: `success>=0.999 hops_mean<=2.5`.

For the summaries of `dchat-sim`, which are the same on every machine but for times and memory.
"""

import json
import operator
import re
import sys

COMPARE = {">=": operator.ge, "<=": operator.le}


def main():
    result = json.loads(sys.stdin.read())
    faults = 0
    for bound in sys.argv[1:]:
        name, sign, limit = re.fullmatch(r"(\w+)(>=|<=)([\d.]+)", bound).groups()
        met = COMPARE[sign](result[name], float(limit))
        faults += not met
        print(f"{name} {result[name]} {'' if met else 'is not '}{sign} {limit}")
    return 1 if faults or len(sys.argv) == 1 else 0


sys.exit(main())
