/* SPDX-License-Identifier: MIT */
/* The parts of `uiommu bench translate` in other files; each adds its rows. 0 or -errno. */
#ifndef CLI_BENCH_TRANSLATE_H
#define CLI_BENCH_TRANSLATE_H

#include "cli/bench.h"

/* Many devices; memory. */
int bench_devices(struct bench_table *t, struct cli_term *term);
/* Invalidations, groups, the queue's thread, readers beside a writer. */
int bench_inval(struct bench_table *t, struct cli_term *term);

#endif
