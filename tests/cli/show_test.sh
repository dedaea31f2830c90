#!/bin/sh
# SPDX-License-Identifier: MIT
# `uiommu show`: of a run, of a saved state, of nothing; and what it must not do to a run.
# TAP on stdout. Usage: show_test.sh PATH-TO-UIOMMU
set -u
uiommu=$1
dir=$(mktemp -d) || exit 1
runs=
end() {
	for pid in $runs; do
		kill -9 "$pid" 2>/dev/null
	done
	rm -rf "$dir"
}
trap end EXIT
XDG_RUNTIME_DIR=$dir/run
export XDG_RUNTIME_DIR
mkdir "$dir/run"
seq 1 5000 >"$dir/file"
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

# start NAME OPTIONS...: a swap in the background; its number in $pid once it answers.
start() {
	name=$1
	shift
	"$uiommu" swap --file="$dir/file" "$@" >"$dir/$name.out" 2>"$dir/$name.err" </dev/null &
	pid=$!
	runs="$runs $pid"
	for _ in $(seq 1 200); do
		"$uiommu" show --json "$pid" 2>/dev/null | grep -q '"driver"' && return
		sleep 0.05
	done
}

expect 1 "nothing runs" show
has err "no .uiommu swap. of yours runs" "it says so"
empty out "and prints nothing"
expect 2 "two arguments are refused" show 1 2
expect 2 "an unknown option is refused" show --verbose
expect 1 "a process that is none of ours" show 1
has err "process 1 is no" "it is named"

start first --seconds=4 --json
first=$pid
expect 0 "the only run is found" show
has out "process $first" "it is named"
has out "PASID table entry (VT-d 9.6)" "entries are shown with their section"
has out "DID=" "fields are shown by name"
has out "level 1  .* leaves" "page tables are counted"
empty err "nothing on stderr"
! grep -qE '^.{100,}' "$dir/out"
ok $? "lines fit 100 columns"
[ "$(stat -c %a "$dir/run/uiommu")" = 700 ]
ok $? "the directory of sockets is the user's alone"
expect 0 "a run by its number, as JSON" show --json "$first"
# Domains may be others by the time the groups are shown: look again until one is both.
cat >"$dir/agree.py" <<'P'
import json, sys
s = json.load(open(sys.argv[1]))
assert s["pid"] == int(sys.argv[2]) and s["command"] == "swap"
iommu, = s["iommus"]
domains = {d["id"]: d for d in iommu["domains"]}
assert len(iommu["groups"]) == 3 and domains[0]["type"] == "blocked"
known = 0
for g in iommu["groups"]:
    assert g["attachments"]
    for a in g["attachments"]:
        names = [e["name"] for e in a["entries"]]
        assert names[-1] == "PASID table entry", names
        e = a["entries"][-1]
        fields = {f["name"]: int(f["value"], 16) for f in e["fields"]}
        for f in e["fields"]:       # every value is what its mask says of its word
            mask = int(f["mask"], 16)
            low = mask & -mask
            assert int(f["value"], 16) == (int(e["words"][f["word"]], 16) & mask) // low, f
        d = domains.get(a["domain"])    # made after the list of domains was shown: not there
        if d and d["tag"] is not None:     # nor was it attached then
            known += 1
            assert fields["DID"] == d["tag"] and fields["SSPTPTR"] << 12 == int(d["root"], 16)
            assert d["mapped_bytes"] == sum(l["leaves"] for l in d["levels"]) * 4096
sys.exit(0 if known else 7)
P
for _ in $(seq 1 50); do
	python3 "$dir/agree.py" "$dir/out" "$first" 2>"$dir/err"
	status=$?
	[ "$status" = 7 ] || break
	"$uiommu" show --json "$first" >"$dir/out"
done
ok $status "entries, fields, domains and counts agree"
"$uiommu" show --save "$dir/saved.json" "$first" >"$dir/out" 2>"$dir/err"
ok $? "a state is saved"
empty out "--save prints nothing"
[ -z "$(tail -c 1 "$dir/saved.json" | tr -d '\n')" ]
ok $? "it ends with a newline"
# A client that connects and never reads.
python3 - "$dir/run/uiommu/$first" <<'P' &
import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
time.sleep(8)
P
sleeper=$!
sleep 0.3
runs="$runs $sleeper"
for _ in $(seq 1 40); do
	"$uiommu" show --json "$first" >"$dir/out" 2>"$dir/err" || break
done
ok $? "40 snapshots while it works"
wait "$first"
ok $? "the run ends well, although somebody connected and does not read"
python3 -c 'import json,sys; r=json.load(open(sys.argv[1]))["rows"][0]; assert r["gap"]=="none" and not r["dma_blocked"] and not r["dma_stale"] and not r["dma_wrong"] and r["switches"]>100' "$dir/first.out"
ok $? "no access was disturbed"
[ -z "$(ls "$dir/run/uiommu")" ]
ok $? "its socket is gone"
expect 1 "a run that is over" show "$first"

expect 0 "a saved state is shown" show "$dir/saved.json"
has out "process $first" "it is that of the run"
expect 0 "a saved state as JSON" show --json "$dir/saved.json"
cmp -s "$dir/out" "$dir/saved.json" || diff "$dir/out" "$dir/saved.json" >"$dir/err"
[ "$(tr -d ' \n' <"$dir/out")" = "$(tr -d ' \n' <"$dir/saved.json")" ]
ok $? "it is what was saved"
expect 1 "a state cannot be saved there" show --save=/nonexistent/x "$dir/saved.json"
has err "cannot write /nonexistent/x" "it says where"
echo '{"rows": []}' >"$dir/other.json"
expect 1 "JSON that is no state" show "$dir/other.json"
has err "not a state" "it says so"
echo 'garbage' >"$dir/garbage"
expect 1 "a file that is no JSON" show "$dir/garbage"
has err "not JSON" "it says so"
python3 - "$dir/saved.json" >"$dir/names" <<'P'
# One state for each member that is missing, anywhere in the first of everything.
import copy, json, sys
state = json.load(open(sys.argv[1]))
def paths(value, path=()):
    if isinstance(value, dict):
        for k in value:
            yield path + (k,)
            yield from paths(value[k], path + (k,))
    elif isinstance(value, list) and value:
        yield from paths(value[-1], path + (len(value) - 1,))
for i, path in enumerate(paths(state)):
    bad = copy.deepcopy(state)
    at = bad
    for k in path[:-1]:
        at = at[k]
    del at[path[-1]]
    name = "%s.missing%d" % (sys.argv[1], i)
    json.dump(bad, open(name, "w"))
    print(name, *path)
P
taken=0
while read -r name path; do
	"$uiommu" show "$name" >"$dir/out" 2>"$dir/err" && taken=1 && echo "# without $path: shown"
	grep -q "cannot be shown" "$dir/err" || taken=1
done <"$dir/names"
[ "$taken" = 0 ] && [ "$(wc -l <"$dir/names")" -gt 20 ]
ok $? "a state with a missing member is refused, whichever it is"
printf '{"uiommu":"\\u001b[31mred","iommus":[]}' >"$dir/escape"
expect 1 "escape sequences in a file are refused" show "$dir/escape"
empty out "and not printed"
echo '{"uiommu":"1","iommus":[{"domains":[{"levels":[1,null]},7],"groups":[{"attachments":[{"entries":[{"words":[1],"fields":[[]]}]},"x"]}]},3]}' \
	>"$dir/odd"
expect 1 "a state with wrong types in it is refused" show "$dir/odd"
expect 1 "a file that is not there" show "$dir/nothing"

# Asked as soon as its socket is there: it waits for the first state.
"$uiommu" swap --file="$dir/file" --mappings=300000 --seconds=3 >"$dir/early.out" 2>&1 </dev/null &
early=$!
runs="$runs $early"
for _ in $(seq 1 400); do
	[ -S "$dir/run/uiommu/$early" ] && break
	sleep 0.01
done
expect 0 "a run that starts is waited for" show "$early"
has out "level 1" "and shown"
kill -9 "$early"
wait "$early" 2>/dev/null
rm -f "$dir/run/uiommu/$early"
echo '{"uiommu":"1","command":"swap","pid":1,"iommus":[]}' >"$dir/none"
expect 1 "a state without an IOMMU" show "$dir/none"
has err "no IOMMU at the moment" "it says so"

start second --seconds=20 --mode=legacy
second=$pid
start third --seconds=20
third=$pid
expect 1 "several runs" show
has err "say which:.*$second" "they are named"
has err "say which:.*$third" "all of them"
expect 1 "a process that is none of those" show 1
has err "these are:.*$second" "it names those that are"
expect 0 "legacy mode" show "$second"
has out "legacy mode" "it is named"
has out "context entry (VT-d 9.3)" "it has context entries"
kill -9 "$third"
wait "$third" 2>/dev/null
expect 0 "the other was killed: one is left" show
[ ! -e "$dir/run/uiommu/$third" ]
ok $? "what it left is cleaned away"
kill -9 "$second"
wait "$second" 2>/dev/null

chmod 755 "$dir/run/uiommu"
expect 1 "a directory that others may enter is refused" show
has err "not yours alone" "it says why"
expect 0 "a run goes on without it" swap --file="$dir/file" --switches=50
has err "will not find this run" "and says so"
chmod 700 "$dir/run/uiommu"
expect 0 "a steered run" swap --steered --switches=3 --file="$dir/file"
empty err "has no socket and says nothing"
echo "1..$n"
