#!/bin/sh
# SPDX-License-Identifier: MIT
#
# scripts/setup against a machine made of fakes: dpkg-query, apt-get, sudo and id are
# small scripts, PATH holds nothing else that could satisfy a requirement, and every
# call of apt-get and sudo is written down. TAP.

set -u
LC_ALL=C
export LC_ALL
here=$(cd "$(dirname "$0")" && pwd)
setup=$here/../../scripts/setup
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bin=$work/bin
n=0

fake()
{
	cat >"$bin/$1"
	chmod +x "$bin/$1"
}

make_fakes()
{
	mkdir -p "$bin"
	for tool in sh cat grep sed tr awk env touch; do
		ln -s "$(command -v "$tool")" "$bin/$tool"
	done
	fake dpkg-query <<-'END'
		#!/bin/sh
		for last; do :; done
		[ -e "$STATE/installed/$last" ] && echo installed
	END
	fake apt-get <<-'END'
		#!/bin/sh
		echo "apt-get $*" >>"$STATE/log"
		case " $* " in
		*" --print-uris "*)
			[ -e "$STATE/lists" ] || exit 100
			[ -e "$STATE/fetched" ] && exit 0
			echo "'http://x/a.deb' a.deb 1500000 SHA256:0"
			echo "'http://x/b.deb' b.deb 500000 SHA256:0"
			;;
		*" update "*) touch "$STATE/lists" ;;
		*" install "*)
			[ -e "$STATE/broken" ] && exit 100
			for word; do
				case $word in
				-* | install) ;;
				*) touch "$STATE/installed/$word" ;;
				esac
			done
			;;
		esac
	END
	fake sudo <<-'END'
		#!/bin/sh
		echo "sudo $*" >>"$STATE/log"
		if [ "$1" = -n ]; then
			[ -e "$STATE/password" ] && exit 1
			shift
		fi
		exec "$@"
	END
	fake true <<-'END'
		#!/bin/sh
	END
	fake id <<-'END'
		#!/bin/sh
		cat "$STATE/uid"
	END
}

# A fresh machine: $1 uid, $2 system ("debian 12"), then what is installed.
machine()
{
	STATE=$work/state
	export STATE
	rm -rf "$STATE"
	mkdir -p "$STATE/installed"
	: >"$STATE/log"
	touch "$STATE/lists"
	echo "$1" >"$STATE/uid"
	printf 'ID=%s\nVERSION_ID="%s"\n' "${2% *}" "${2#* }" >"$STATE/os-release"
	shift 2
	for package; do
		touch "$STATE/installed/$package"
	done
}

# meson is asked for its version, so it is a tool, not only a package.
meson_version()
{
	fake meson <<-END
		#!/bin/sh
		echo $1
	END
}

# Runs scripts/setup there; sets $status; output in $STATE/out. $pty: with a terminal that answers.
run_setup()
{
	status=0
	UIOMMU_OS_RELEASE=$STATE/os-release PATH=$bin UIOMMU_SETUP=${answer:-} \
		"$bin/sh" "$setup" "$@" >"$STATE/out" 2>&1 </dev/null || status=$?
}

run_on_terminal()
{
	status=0
	UIOMMU_SETUP= UIOMMU_OS_RELEASE=$STATE/os-release FAKE_BIN=$bin SETUP=$setup REPLY_WITH=$1 python3 - "$2" \
		>"$STATE/out" 2>&1 <<-'END' || status=$?
		import os, pty, sys
		pid, fd = pty.fork()
		if pid == 0:
		    env = dict(os.environ, PATH=os.environ["FAKE_BIN"])
		    os.execve(env["FAKE_BIN"] + "/sh", ["sh", os.environ["SETUP"], sys.argv[1]], env)
		out, sent = b"", False
		while True:
		    try:
		        data = os.read(fd, 4096)
		    except OSError:
		        break
		    if not data:
		        break
		    out += data
		    if not sent and b"[y/N]" in out:
		        os.write(fd, os.environ["REPLY_WITH"].encode() + b"\n")
		        sent = True
		sys.stdout.write(out.decode().replace("\r", ""))
		sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	END
}

ok()
{
	n=$((n + 1))
	if eval "$2"; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1 (status $status)"
		sed 's/^/# /' "$STATE/out" "$STATE/log"
	fi
}

said() { grep -q -e "$1" "$STATE/out"; }
called() { grep -q -e "$1" "$STATE/log"; }
installed_something() { grep -v -e --print-uris "$STATE/log" | grep -q -e install -e update; }

demo="gcc libc6-dev ninja-build pkg-config liburcu-dev libjansson-dev libmd-dev"
check="$demo libcmocka-dev g++ util-linux"

make_fakes
meson_version 1.0.1
answer=

machine 0 "debian 12" $demo
run_setup demo
ok "nothing missing: silent" '[ $status = 0 ] && [ ! -s "$STATE/out" ]'
ok "nothing missing: apt-get and sudo are not called" '[ ! -s "$STATE/log" ]'

machine 1000 "debian 12" $demo
run_setup check
ok "missing: exit 77" '[ $status = 77 ]'
ok "missing: names the packages" 'said "missing packages: libcmocka-dev g++"'
ok "missing: says how large" 'said "2.0 MB to fetch"'
ok "missing: prints one command" \
	'said "^  sudo apt-get install --no-install-recommends libcmocka-dev g++"'
ok "missing: installs nothing unasked" '! installed_something'

machine 1000 "debian 12" $demo
touch "$STATE/fetched"
run_setup check
ok "already downloaded: no \"0.0 MB\"" 'said "nothing to fetch: already downloaded" && ! said "0.0 MB"'

machine 0 "debian 13" $demo
run_setup check
ok "root without consent: exit 77, nothing installed" '[ $status = 77 ] && ! installed_something'
ok "root without consent: command without sudo" 'said "^  apt-get install"'

machine 1000 "debian 12" $demo
rm "$STATE/lists"
run_setup check
ok "no package lists: the command updates first" \
	'[ $status = 77 ] && said "^  sudo apt-get update && sudo apt-get install"'
ok "no package lists: not updated unasked" '! called "apt-get.* update"'

answer=yes
machine 0 "ubuntu 24.04" $demo
run_setup check
ok "UIOMMU_SETUP=yes as root installs" '[ $status = 0 ] && called "install -y" && ! called sudo'
machine 1000 "debian 12" $demo
run_setup check
ok "UIOMMU_SETUP=yes with sudo -n installs" '[ $status = 0 ] && called "^sudo -n env .*install -y"'
machine 1000 "debian 12" $demo
touch "$STATE/password"
run_setup check
ok "UIOMMU_SETUP=yes, sudo wants a password: exit 77" '[ $status = 77 ] && ! installed_something'
machine 0 "debian 12" $demo
rm "$STATE/lists"
run_setup check
ok "UIOMMU_SETUP=yes, no lists: size is said after the update" '[ $status = 0 ] && said "2.0 MB"'
machine 0 "debian 12" $demo
touch "$STATE/broken"
run_setup check
ok "apt-get fails: neither 0 nor 77" '[ $status != 0 ] && [ $status != 77 ]'
machine 0 "debian 12" $check
run_setup check
ok "UIOMMU_SETUP=yes, nothing missing: silent, no calls" \
	'[ $status = 0 ] && [ ! -s "$STATE/out" ] && [ ! -s "$STATE/log" ]'
answer=

machine 0 "debian 12" $demo
run_on_terminal y check
ok "terminal, yes: installs" '[ $status = 0 ] && called "install -y"'
machine 1000 "debian 12" $demo
run_on_terminal y check
ok "terminal, yes, not root: with sudo" '[ $status = 0 ] && called "^sudo env .*install -y"'
machine 0 "debian 12" $demo
run_on_terminal n check
ok "terminal, no: exit 77, nothing installed" '[ $status = 77 ] && ! installed_something'
machine 0 "debian 12" $demo
run_on_terminal "" check
ok "terminal, empty answer is no" '[ $status = 77 ] && ! installed_something'

machine 0 "fedora 41" gcc
answer=yes
run_setup demo
ok "another system: the list with versions, exit 77" \
	'[ $status = 77 ] && said "liburcu 0.13 or later" && ! said "g++"'
ok "another system: apt-get is not called" '[ ! -s "$STATE/log" ]'
answer=

machine 0 "debian 12" $demo meson
meson_version 0.61.2
run_setup demo
ok "a package hidden by an older meson in PATH: it says so" \
	'[ $status = 77 ] && said "installed as a package, but PATH leads to $bin/meson" && ! said fetch'
ok "a hidden package is not installed again" '! installed_something'
machine 0 "debian 12" $demo
run_setup demo
ok "an old meson is missing" '[ $status = 77 ] && said "missing packages: meson "'
meson_version 1.0.1

machine 0 "debian 12" $check
run_setup coverage
ok "coverage needs what check needs, and gcovr" '[ $status = 77 ] && said "missing packages: gcovr "'

machine 0 "debian 12" $check
run_setup check-all
ok "check-all wants clang's runtimes" '[ $status = 77 ] && said "libclang-rt-dev"'
touch "$STATE/runtime"
fake clang <<-END
	#!/bin/sh
	echo "$STATE/runtime"
END
run_setup check-all
ok "clang's runtimes are found where clang has them" '[ $status = 77 ] && ! said "libclang-rt-dev"'
rm "$bin/clang"

machine 0 "debian 12" $demo
run_setup nonsense
ok "an unknown set is a usage error" '[ $status = 2 ]'
status=0
PATH=$bin "$bin/sh" "$setup" demo >"$STATE/out" 2>&1 <&- || status=$?
ok "standard input may be closed" '[ $status = 0 ]'

echo "1..$n"
