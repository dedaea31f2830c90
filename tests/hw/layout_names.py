#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lists what src/hw/vtd/layout.h names: layout_names.py HEADER OUTPUT

The output is a list of C strings: macros (those with arguments end in "()") and
enumerators. For the test that asks whether each of them is in its own table.
"""
import re
import sys

text = re.sub(r"/\*.*?\*/", "", open(sys.argv[1], encoding="utf-8").read(), flags=re.S)
names = [n + ("()" if args else "") for n, args in re.findall(r"^#define\s+(VTD_\w+)(\(?)", text, flags=re.M)]
for body in re.findall(r"\benum\s+\w+\s*\{(.*?)\}", text, flags=re.S):
    names += re.findall(r"\b(VTD_\w+)", body)
with open(sys.argv[2], "w", encoding="utf-8") as out:
    out.write("".join('"%s",\n' % n for n in names))
