/* SPDX-License-Identifier: MIT */
/* The walker compiled once more, with a look after every store. */
#include "pgtable/vtdss.h"

#include "stepped.h"

#define PGTABLE_PREFIX vtdss
#define PGTABLE_STORED(pt, slot) stepped_stored(pt)
#include "pgtable/walk.h"

const struct pgtable_ops *const stepped_vtdss = &vtdss_ops;
