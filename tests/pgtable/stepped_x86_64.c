/* SPDX-License-Identifier: MIT */
/* The walker compiled once more, with a look after every store. */
#include "pgtable/x86_64.h"

#include "stepped.h"

#define PGTABLE_PREFIX x86_64
#define PGTABLE_STORED(pt, slot) stepped_stored(pt)
#include "pgtable/walk.h"

const struct pgtable_ops *const stepped_x86_64 = &x86_64_ops;
