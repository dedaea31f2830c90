# SPDX-License-Identifier: MIT
# Completion of uiommu(1) for bash. tests/project/install_test compares the options with
# what --help tells.

_uiommu_words()
{
	case $1 in
	'') echo 'demo swap show bench help --help --version' ;;
	demo) echo '--file --json --seconds --help --usage' ;;
	swap) echo '--file --output --seconds --switches --from --mappings --method --mode --to --accessor
		--own-thread --preset --store64 --threads --mutant --seed --steered --json --plot --help --usage' ;;
	show) echo '--json --save --help --usage' ;;
	bench) echo '--json --plot --rounds --help --usage' ;;
	esac
}

# Values of an option; nothing for those that are numbers. "FILES" are files.
_uiommu_values()
{
	case $1 in
	--file | --output | --plot | --save | -f) echo FILES ;;
	--from | --to) echo 'blocked identity second first' ;;
	--method) echo 'replace detach-attach remap' ;;
	--mode) echo 'scalable legacy' ;;
	--preset) echo 'weakest any-order in-order qemu' ;;
	# The list is what the command answers to a name that it does not know.
	--mutant) uiommu swap --steered --mutant=? 2>&1 | sed -n 's/.*there are://p' ;;
	esac
}

# Processes that `uiommu show` can show.
_uiommu_runs()
{
	local dir=/tmp/uiommu-$UID

	[ -d "${XDG_RUNTIME_DIR-}" ] && dir=$XDG_RUNTIME_DIR/uiommu
	ls "$dir" 2>/dev/null
}

# What bash calls. COMP_WORDBREAKS has '=', so --from=x comes as three words.
_uiommu()
{
	local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb= values

	[ "$COMP_CWORD" -gt 1 ] && verb=${COMP_WORDS[1]}
	COMPREPLY=()
	if [ "$cur" = = ]; then
		cur=
	elif [ "$before" = = ]; then
		before=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	values=$(_uiommu_values "$before")
	if [ "$values" = FILES ]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
	elif [ -n "$values" ]; then
		mapfile -t COMPREPLY < <(compgen -W "$values" -- "$cur")
	elif [ "$verb" = show ] && [ "${cur#-}" = "$cur" ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_uiommu_runs)" -- "$cur"; compgen -f -- "$cur")
	elif [ "$verb" = bench ] && [ "${cur#-}" = "$cur" ]; then
		# The names are in its usage line.
		values=$(uiommu bench --help 2>/dev/null | sed -n 's/^Usage: uiommu bench \[OPTION...\] //p' | tr '[|]' '   ')
		mapfile -t COMPREPLY < <(compgen -W "${values//|/ }" -- "$cur")
	else
		mapfile -t COMPREPLY < <(compgen -W "$(_uiommu_words "$verb")" -- "$cur")
	fi
}

complete -o default -F _uiommu uiommu
