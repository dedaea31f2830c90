/* SPDX-License-Identifier: MIT */
/*
 * A second VT-d, written from the specification's tables without a look at src/hw:
 * bit positions are typed as numbers, nothing is cached, everything is read from the
 * test's memory. It says what a request must give, which record must appear, and
 * which A and D bits must be set.
 */
#ifndef TESTS_HW_NAIVE_H
#define TESTS_HW_NAIVE_H

#include "rig.h"

struct naive_unit {
	unsigned int haw;
	bool scalable, pass_through, first_stage;	/* capabilities */
	uint64_t rtaddr;
};

struct naive_result {
	uint32_t reason;	/* 0: translated */
	uint64_t pa;
	bool fpd;		/* effective FPD at the fault */
	unsigned int n_updates;	/* entries whose A or D must be set afterwards */
	uint64_t update_pa[5], update_bits[5];
};

/* One request of one byte, TES=1. */
void naive_translate(struct rig *r, const struct naive_unit *u, uint16_t rid, uint32_t pasid, uint64_t iova,
		     bool write, struct naive_result *out);
/* Whether a fault with that reason leaves a record. */
bool naive_records(const struct naive_result *res);

#endif
