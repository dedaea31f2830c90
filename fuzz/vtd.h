/* SPDX-License-Identifier: MIT */
/*
 * The world of the VT-d fuzzer: one unit, some pages of memory, ports; and the rules
 * that are checked. The input decides everything else.
 */
#ifndef FUZZ_VTD_H
#define FUZZ_VTD_H

#include <stdbool.h>

#include "fuzz.h"
#include "heap.h"
#include "hw/naive.h"
#include "hw/vtd/vtd_model.h"

#define PAGES 32u /* tables and queues; the input names pages by number */
#define PORTS 4u
#define QUEUE_PAGE 31u

/* All registers that are there, as software reads them. */
struct regs {
	uint32_t ver, gsts, fsts, fectl, fedata, feaddr, feuaddr, ics, iectl, iedata, ieaddr, ieuaddr;
	uint64_t cap, ecap, rtaddr, iqh, iqt, iqa, iqercd;
	uint64_t frcd[8][2];
};

struct world {
	struct fuzz_heap heap; /* the context's opaque pointer */
	struct rig rig;	       /* ctx, unit, memory: what the naive unit looks at */
	struct naive_unit unit;
	struct uiommu_vtd_model_opts opts;
	struct uiommu_port *port[PORTS];
	struct regs reset; /* out of reset */
	uint64_t live;	   /* RTADDR as latched by SRTP */
	bool removed;	   /* the region is not in the memory map */
	bool irq_clears;   /* the interrupt handler clears fault records, as a driver's does */
	/* Caches hold nothing but what this requester had read since memory was last changed. */
	bool clean, clean_any;
	uint16_t clean_rid;
	uint32_t clean_pasid;
};

extern const uint16_t fuzz_rids[PORTS];

static inline uint64_t page_pa(unsigned int i)
{
	return RIG_BASE + UINT64_C(4096) * (i % PAGES);
}

/* ---- vtd_check.c ---- */
void regs_read(struct world *w, struct regs *r);
/* What holds whatever software does. */
void regs_check(struct world *w, const struct regs *r);
/* A write of @bits at @off: changes nothing unless a register that can be written is there. */
void checked_write(struct world *w, uint32_t off, unsigned int bits, uint64_t val);
void checked_read(struct world *w, uint32_t off, unsigned int bits);
/* One access, against the naive unit where caches cannot make a difference. */
void checked_dma(struct world *w, unsigned int port, uint32_t pasid, uint64_t iova, unsigned int len,
		 bool write, uint8_t fill);
/* A list of addresses in one call, against each by itself. */
#define LIST_MAX 40u
void checked_list(struct world *w, unsigned int port, uint32_t pasid, const uint64_t *iova, size_t n,
		  bool write);
/* What devices must not do is refused. */
void checked_misuse(struct world *w, unsigned int port, uint64_t iova);

#endif
