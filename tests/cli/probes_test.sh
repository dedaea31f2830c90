#!/bin/sh
# SPDX-License-Identifier: MIT
# Static probes: the notes of library and command, and what a debugger finds in their
# arguments when they are hit. TAP. Usage: probes_test.sh UIOMMU LIBRARY EXAMPLE
set -u
LC_ALL=C
export LC_ALL
uiommu=$1
library=$2
example=$3
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0

ok() {
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		sed 's/^/# /' "$dir/out" | head -30
	fi
}

if "$uiommu" --version | grep -q 'probes: no'; then
	echo "1..0 # SKIP built without sys/sdt.h"
	exit 0
fi
if ! command -v readelf >/dev/null; then
	echo "1..0 # SKIP no readelf"
	exit 0
fi

# "name number-of-arguments", one line each.
notes() {
	readelf -n "$1" 2>"$dir/err" | awk '
		$1 == "Provider:" { ours = $2 == "iommu" }
		$1 == "Name:" { name = $2 }
		$1 == "Arguments:" && ours { print name, NF - 1 }' | sort -u
}

cat >"$dir/want" <<'E2'
attach_device_to_domain 4
io_page_fault 5
map 5
replace 6
unmap 4
E2
for file in "$library" "$uiommu"; do
	notes "$file" >"$dir/out"
	cmp -s "$dir/want" "$dir/out"
	ok $? "$(basename "$file") has the probes that uiommu-probes(7) lists, with as many arguments"
done
! readelf -n "$library" 2>/dev/null | grep -A4 'Provider: iommu' | grep 'Semaphore: ' | grep -qv 'Semaphore: 0x0*$'
ok $? "no probe asks whether somebody watches: it is one nop"

# first PROBE FORMAT PROGRAM ARGS...: the arguments of the first hit, as gdb sees them, in $dir/out.
first() {
	probe=$1
	format=$2
	shift 2
	cat >"$dir/gdb" <<-E2
		set pagination off
		set breakpoint pending on
		set debuginfod enabled off
		set startup-with-shell off
		handle all nostop noprint pass
		break -probe-stap iommu:$probe
		run
		printf "$probe: $format\n", \$_probe_arg0, \$_probe_arg1, \$_probe_arg2, \$_probe_arg3, $last
		kill
	E2
	# The sanitizers' leak checker cannot work beside a debugger.
	ASAN_OPTIONS=detect_leaks=0 timeout 100 gdb -q -nx -batch -x "$dir/gdb" --args "$@" >"$dir/out" 2>&1 </dev/null
}

hit() {
	grep -q -- "$2" "$dir/out"
	ok $? "$1: $2"
}

if command -v gdb >/dev/null && gdb -q -nx -batch -ex run --args true 2>&1 | grep -q 'exited normally'; then
	seq 1 2000 >"$dir/file"
	last='$_probe_arg4'
	first map '%lx %lx %lx %d %u' "$example"
	hit "a mapping of the example" '^map: 100000 40000000 1000 [-0-9]* 1$'
	last='$_probe_arg4, $_probe_arg5'
	first replace '%d %d %d %d %d %x' "$example"
	hit "a replacement without error, gap none, single store" '^replace: [-0-9]* [-0-9]* 0 0 1 ffffffff$'
	last='$_probe_arg4'
	first io_page_fault '%x %lx %x %x %x' "$uiommu" swap --from=blocked --switches=50000 --file="$dir/file"
	hit "a blocked access: PASID entry not present" '^io_page_fault: 1[89] [0-9a-f]*000 [12] ffffffff 59$'
	last='0'
	first attach_device_to_domain '%x %x %d %d %d' "$example"
	hit "the example's device is attached" '^attach_device_to_domain: 18 ffffffff [-0-9]* [-0-9]* 0$'
	first unmap '%lx %lx %d %d %d' "$uiommu" swap --switches=50 --file="$dir/file"
	hit "an unmap of a page without error" '^unmap: [0-9a-f]*000 1000 [-0-9]* 0 0$'
else
	n=$((n + 1))
	echo "ok $n - arguments in a debugger # SKIP no gdb that can run a program"
fi
echo "1..$n"
