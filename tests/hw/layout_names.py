#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lists what src/hw/vtd/layout.h names, as C strings, for tests that must miss none.

usage: layout_names.py OUTPUT HEADER                 macros (those with arguments end in "()"), enumerators
       layout_names.py OUTPUT HEADER ENUM            the enumerators of one enum
       layout_names.py OUTPUT HEADER ENUM SOURCE...  those of them that the sources use as a value:
                                                     not in `case X:`, not in a table of texts
"""
import re
import sys


def code(path):
    with open(path, encoding="utf-8") as f:
        return re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)


def main(output, header, enum=None, *sources):
    text = code(header)
    names = []
    if not enum:
        names = [n + ("()" if args else "") for n, args in re.findall(r"^#define\s+(VTD_\w+)(\(?)", text, flags=re.M)]
    for name, body in re.findall(r"\benum\s+(\w+)\s*\{(.*?)\}", text, flags=re.S):
        if not enum or name == enum:
            names += re.findall(r"\b(VTD_\w+)", body)
    if sources:
        used = " ".join(code(s) for s in sources)
        used = re.sub(r"\bcase VTD_\w+:|\{ VTD_\w+, \"", " ", used)
        names = [n for n in names if re.search(r"\b%s\b" % n, used)]
    with open(output, "w", encoding="utf-8") as out:
        out.write("".join('"%s",\n' % n for n in names))


main(*sys.argv[1:])
