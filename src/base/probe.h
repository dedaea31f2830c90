/* SPDX-License-Identifier: MIT */
/*
 * Static probes: places that bpftrace, perf, gdb and SystemTap can watch in a program
 * that runs. Provider `iommu`, names as Linux's tracepoints; uiommu-probes(7) lists
 * them with their arguments.
 *
 * An unwatched probe is one nop; its arguments are only named, as registers or memory,
 * in a note of the ELF file. So an argument must be something that is at hand there
 * anyway: the compiler computes it whether or not somebody watches.
 *
 * Without <sys/sdt.h> at build time (UIOMMU_PROBES unset) they compile to nothing.
 */
#ifndef BASE_PROBE_H
#define BASE_PROBE_H

#ifdef UIOMMU_PROBES
#include <sys/sdt.h>
#define PROBE3(name, a, b, c) STAP_PROBE3(iommu, name, a, b, c)
#define PROBE4(name, a, b, c, d) STAP_PROBE4(iommu, name, a, b, c, d)
#define PROBE5(name, a, b, c, d, e) STAP_PROBE5(iommu, name, a, b, c, d, e)
#define PROBE6(name, a, b, c, d, e, f) STAP_PROBE6(iommu, name, a, b, c, d, e, f)
#else
/* Arguments count as used, and nothing is computed. */
#define PROBE_UNUSED(a) ((void)(0 ? (void)(a) : (void)0))
#define PROBE3(name, a, b, c) (PROBE_UNUSED(a), PROBE_UNUSED(b), PROBE_UNUSED(c))
#define PROBE4(name, a, b, c, d) (PROBE3(name, a, b, c), PROBE_UNUSED(d))
#define PROBE5(name, a, b, c, d, e) (PROBE4(name, a, b, c, d), PROBE_UNUSED(e))
#define PROBE6(name, a, b, c, d, e, f) (PROBE5(name, a, b, c, d, e), PROBE_UNUSED(f))
#endif

#endif
