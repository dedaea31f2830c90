/* SPDX-License-Identifier: MIT */
/* The walker compiled for VT-d second stage. */
#include "pgtable/vtdss.h"

#define PGTABLE_PREFIX vtdss
#include "pgtable/walk.h"

const struct pgtable_limits vtdss_limits = {
	.ops = &vtdss_ops,
	.min_levels = 3,
	.max_levels = 5,
	.features = PGTABLE_2M | PGTABLE_1G | PGTABLE_SNOOP,
};
