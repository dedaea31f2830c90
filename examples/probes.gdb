# SPDX-License-Identifier: MIT
# Watches the probe iommu:replace (uiommu-probes(7)) with gdb, which needs neither root nor
# a particular kernel, but stops the program at each:
#
#     gdb -q -batch -x examples/probes.gdb build/examples/example_replace
#
set pagination off
set breakpoint pending on
set debuginfod enabled off
set $n = 0
break -probe-stap iommu:replace
commands
silent
set $n = $n + 1
if $n % 1000 == 1
printf "replacement %d: group %p, domain %p, error %d, gap %d, strategy %d\n", $n, $_probe_arg0, $_probe_arg1, $_probe_arg2, $_probe_arg3, $_probe_arg4
end
continue
end
run
info probes stap iommu
