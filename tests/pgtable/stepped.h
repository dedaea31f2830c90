/* SPDX-License-Identifier: MIT */
/* Instantiations of the walker that report each store that hardware can see. */
#ifndef TESTS_STEPPED_H
#define TESTS_STEPPED_H

#include "pgtable/pgtable.h"

extern const struct pgtable_ops *const stepped_vtdss;
extern const struct pgtable_ops *const stepped_x86_64;

/* Called after every store. */
void stepped_stored(struct pgtable *pt);

#endif
