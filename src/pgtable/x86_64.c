/* SPDX-License-Identifier: MIT */
/* The walker compiled for the first stage of x86-64. */
#include "pgtable/x86_64.h"

#define PGTABLE_PREFIX x86_64
#include "pgtable/walk.h"

const struct pgtable_limits x86_64_limits = {
	.ops = &x86_64_ops,
	.min_levels = 4,
	.max_levels = 5,
	.features = PGTABLE_2M | PGTABLE_1G,
};
