#!/bin/sh
# SPDX-License-Identifier: MIT
# Manners of the command: help, version, suggestions, exit codes, JSON alone on stdout,
# plain ASCII where the terminal or the locale asks for it. TAP on stdout.
# Usage: manners_test.sh PATH-TO-UIOMMU
set -u
uiommu=$1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0

ok() {
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		sed 's/^/# out: /' "$dir/out" | head -20
		sed 's/^/# err: /' "$dir/err" | head -20
	fi
}

# expect STATUS NAME ARGS...: runs with stdin closed, keeps out and err.
expect() {
	want=$1
	name=$2
	shift 2
	"$uiommu" "$@" >"$dir/out" 2>"$dir/err" </dev/null
	got=$?
	[ "$got" = "$want" ]
	ok $? "$name (exit $got, expected $want)"
}

has() {
	grep -q -- "$2" "$dir/$1"
	ok $? "$3"
}

empty() {
	[ ! -s "$dir/$1" ]
	ok $? "$2"
}

# No byte outside printable ASCII, newline and tab; no escape sequences.
plain() {
	! LC_ALL=C grep -q '[^[:print:][:space:]]' "$dir/$1"
	ok $? "$2"
}

narrow() {
	! grep -qE '^.{81,}' "$dir/$1"
	ok $? "$2"
}

expect 0 "no arguments: a summary"
has out "Usage: uiommu VERB" "the summary says how it is used"
narrow out "the summary fits 80 columns"
expect 0 "--help" --help
expect 0 "--version" --version
has out "^uiommu [0-9][0-9.]*$" "--version prints name and version"
for verb in demo swap show bench; do
	expect 0 "$verb --help" "$verb" --help
	has out "Usage: uiommu $verb" "$verb --help says how it is used"
	narrow out "$verb --help fits 80 columns"
done
expect 2 "unknown verb" swop
has err "did you mean 'swap'" "an unknown verb gets a suggestion"
empty out "an unknown verb prints nothing to stdout"
expect 2 "unknown verb, nothing close" xyzzyplugh
has err "uiommu --help" "it points to the list of verbs"
expect 2 "an option before the verb" --bogus
expect 2 "unknown option of a verb" swap --bogus
empty out "unknown option: nothing on stdout"
expect 2 "bad number" swap --switches=many
has err "switches" "a bad number is named"
expect 2 "bad kind" swap --from=third
expect 2 "bad mode" swap --mode=odd
expect 2 "first stage in legacy mode" swap --mode=legacy --from=first
has err "legacy" "it says why"
expect 2 "remap between different kinds" swap --method=remap --from=identity
expect 2 "bench with a bad number of rounds" bench --rounds=8
expect 2 "bench with an unknown name" bench nothing
expect 2 "bench with two names" bench replace translate
has err "one name at a time; without a name all are run" "it says so"
expect 1 "bench --plot into nowhere fails before it measures" bench --plot="$dir/nowhere" replace
has err "cannot write into $dir/nowhere: No such file" "it says why"
empty out "and prints no row"
expect 2 "no mappings" swap --mappings=0
has err "'0' is too few" "it says what is wrong"
expect 2 "a thousand million mappings" swap --mappings=1e9
has err "'1e9' is too many" "it says what is wrong"
expect 2 "plot with a strange ending" swap --plot=x.gif
expect 2 "swap --file: a path that is too long is refused" swap --switches=1 --file="$(printf '%04096d' 0)"
has err "longer than 4095" "it says how long a path may be"
expect 1 "a file that is not there" swap --file=/nonexistent/file --switches=1
has err "nonexistent" "the missing file is named"

printf 'some bytes to copy\n%s\n' "$(seq 1 5000)" >"$dir/file"
expect 0 "swap of a small file" swap --file="$dir/file" --output="$dir/copy" --switches=200
plain out "swap's output is plain ASCII without a terminal"
empty err "swap draws no progress without a terminal"
cmp -s "$dir/file" "$dir/copy"
ok $? "the copy is the file"
sum=$(sha256sum <"$dir/file" | cut -d' ' -f1)
[ "$(grep -c "$sum" "$dir/out")" = 2 ]
ok $? "both SHA-256 sums are those of sha256sum"
expect 0 "swap --json" swap --file="$dir/file" --switches=200 --json
empty err "swap --json prints nothing to stderr"
python3 -c 'import json,sys; d=json.load(open(sys.argv[1])); r=d["rows"][0]; assert r["switches"]==200 and r["gap"]=="none" and r["files_equal"] is True' "$dir/out"
ok $? "stdout is JSON alone, with the row's keys"
expect 0 "swap --steered" swap --steered --seed=7 --file="$dir/file" --switches=6
empty err "nothing on stderr"
# The example of uiommu(1): with its file, and with ours.
example=$(sed -n 's/^\.Dl uiommu swap --steered --mutant/swap --steered --mutant/p' "$(dirname "$0")/../../docs/man/uiommu.1")
[ -n "$example" ]
ok $? "uiommu(1) has an example of a mistake"
# shellcheck disable=SC2086
expect 1 "the mistake of the example is found" $example
# shellcheck disable=SC2086
expect 1 "with another file, too" $example --file="$dir/file"
expect 0 "a mistake that is not found" swap --steered --mutant=wrong-ih --switches=3 --file="$dir/file"
has err "wrong-ih was made but not seen with seed 1; try others" "it says so"
expect 0 "demo --json" demo --json --seconds=0.05 --file="$dir/file"
python3 - "$dir/out" <<'E'
import json, sys
keys = "hw mode from to method gap strategy switches dma_right dma_stale dma_wrong dma_blocked ns_median ns_p99 files_equal".split()
rows = json.load(open(sys.argv[1]))["rows"]
assert rows and all(sorted(r) == sorted(keys) for r in rows)
assert all(r["gap"] in ("none", "equal", "blocked", "unknown") for r in rows)
E
ok $? "demo --json has exactly the promised keys"
expect 0 "bench translate --json" bench translate --rounds=1 --json
empty err "bench --json prints nothing to stderr"
python3 - "$dir/out" <<'E'
import json, sys
rows = json.load(open(sys.argv[1]))["rows"]
keys = "id unit ours peer limit goal goal_is met".split()
assert rows and all(sorted(r) == sorted(keys) for r in rows)
ids = {r["id"]: r for r in rows}
assert len(ids) == len(rows)
must = ["translate.hit.1", "translate.hit.1000", "translate.pages.cliff", "invalidate.domain", "queue.wait",
        "memory.unit", "memory.agent", "limit.load.l1", "limit.lock", "readers.map", "readers.replace.full"]
must += ["translate.pages.%d" % (1 << i) for i in range(8, 21)]
must += ["translate.devices.%d" % 10 ** i for i in range(6)]
must += ["invalidate.%s.%d" % (w, n) for w in ("page", "tables") for n in (64, 250, 1000)]
must += ["replace.group.%d" % 10 ** i for i in range(4)]
assert all(i in ids for i in must), [i for i in must if i not in ids]
for r in rows:
    assert isinstance(r["ours"], float), r
    assert (r["goal_is"] is None) == (r["goal"] is None) == (r["met"] is None), r
    if r["goal_is"] == "max":
        # Both are rounded; where they are equal either answer is right.
        assert r["ours"] == r["goal"] or r["met"] == (r["ours"] < r["goal"]), r
pages = [ids["translate.pages.%d" % (1 << i)]["ours"] for i in range(8, 21)]
steepest = max(b / a for a, b in zip(pages, pages[1:]))
assert abs(ids["translate.pages.cliff"]["ours"] - steepest) <= 0.05 * steepest
assert ids["replace.group.batches"]["ours"] == 1
E
ok $? "its rows are there and agree with one another"
expect 0 "demo in 80 columns" demo --seconds=0.05 --file="$dir/file"
plain out "demo is plain ASCII without a terminal"
# The file's name may be long; the table may not.
sed -n "5,\$p" "$dir/out" >"$dir/out2" && mv "$dir/out2" "$dir/out"
narrow out "demo's table fits 80 columns"

# On a terminal (a pseudo-terminal from script(1)): colour, unless asked otherwise.
on_terminal() {
	env "$@" script -qec "$uiommu swap --file=$dir/file --switches=3000" /dev/null >"$dir/out" 2>"$dir/err" </dev/null
}
if command -v script >/dev/null; then
	esc=$(printf '\033')
	on_terminal TERM=xterm LC_ALL=C.UTF-8
	has out "$esc\[" "on a terminal there is colour"
	on_terminal TERM=xterm NO_COLOR=1
	! grep -q "$esc" "$dir/out"
	ok $? "NO_COLOR is obeyed"
	on_terminal TERM=dumb
	! grep -q "$esc" "$dir/out"
	ok $? "TERM=dumb has no escapes"
	! grep -q '#####' "$dir/out"
	ok $? "TERM=dumb has no progress bar"
	on_terminal TERM=xterm LC_ALL=C NO_COLOR=1
	tr -d '\r' <"$dir/out" >"$dir/out2" && mv "$dir/out2" "$dir/out"
	plain out "a C locale gives plain ASCII"
else
	n=$((n + 1))
	echo "ok $n - terminal output # SKIP no script(1)"
fi
"$uiommu" --help >/dev/full 2>"$dir/err"
[ $? = 1 ]
ok $? "a full disk is an error"
echo "1..$n"
