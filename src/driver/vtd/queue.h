/* SPDX-License-Identifier: MIT */
/*
 * The invalidation queue (6.5.2 Queued Invalidation Interface). A batch of
 * descriptors is put into the queue followed by a wait descriptor, and its
 * submitter polls the status word that the wait writes. Many threads at once.
 *
 * Invariants:
 * 1. Indices run freely and are never reused; index modulo size is the position.
 *    Every position has a status word of its own.
 * 2. A position is reused only after a wait at or behind it completed (a wait
 *    completes after all that is ahead of it): done <= every outstanding index.
 *    So a status word that is reset belongs to nobody but who resets it.
 * 3. The lock covers descriptors, tail and repair; waiting happens outside of it.
 */
#ifndef DRIVER_VTD_QUEUE_H
#define DRIVER_VTD_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/atomic128.h"
#include "base/lock.h"
#include "base/pool.h"

struct vtdd_iommu;

enum {
	VTDD_QUEUE_LG2 = 8,
	VTDD_QUEUE_SIZE = 1 << VTDD_QUEUE_LG2, /* descriptors */
	VTDD_INV_MAX = 60,		       /* descriptors of a batch: several batches fit at once */
};

/* A batch. n = 0 to begin with; filled by the functions below, each descriptor once. */
struct vtdd_inv {
	unsigned int n;
	bool full;	      /* more than VTDD_INV_MAX were asked for; what is there is all the same valid */
	bool timed;	      /* add to drain_ticks */
	uint64_t drain_ticks; /* from the doorbell to the completion */
	struct u128 d[VTDD_INV_MAX];
};

static inline void vtdd_inv_init(struct vtdd_inv *inv)
{
	inv->n = 0;
	inv->full = false;
	inv->timed = false;
	inv->drain_ticks = 0;
}

/* 6.5.2.1 */
void vtdd_inv_cc_global(struct vtdd_inv *inv);
void vtdd_inv_cc_device(struct vtdd_inv *inv, uint32_t did, uint16_t sid);
/* 6.5.2.2 */
void vtdd_inv_pc_global(struct vtdd_inv *inv);
void vtdd_inv_pc_pasid(struct vtdd_inv *inv, uint32_t did, uint32_t pasid);
/* 6.5.2.3; with drain of reads and writes */
void vtdd_inv_iotlb_global(struct vtdd_inv *inv);
void vtdd_inv_iotlb_domain(struct vtdd_inv *inv, uint32_t did);
/* 2^am pages at iova; @leaf: no table was taken out. */
void vtdd_inv_iotlb_page(struct vtdd_inv *inv, uint32_t did, uint64_t iova, unsigned int am, bool leaf);
/* 6.5.2.4; drains always */
void vtdd_inv_piotlb_pasid(struct vtdd_inv *inv, uint32_t did, uint32_t pasid);
void vtdd_inv_piotlb_page(struct vtdd_inv *inv, uint32_t did, uint32_t pasid, uint64_t iova, unsigned int am,
			  bool leaf);

/* Who waits; lives on its stack. Written by whoever repairs the queue, under the lock. */
struct vtdd_waiter {
	_Atomic int error;    /* of a descriptor of the batch */
	_Atomic bool aborted; /* the wait itself will not complete */
};

struct vtdd_position {
	uint64_t wait;		    /* index of the wait that ends the batch here */
	struct vtdd_waiter *waiter; /* at the position of a wait: NULL when it gave up */
	unsigned int tries;	    /* repairs of this descriptor */
};

struct vtdd_queue {
	struct lock lock;
	unsigned int words;    /* of a descriptor: 2, or 4 with IQA.DW = 1 */
	unsigned int page_lg2; /* pages of the ring */
	uiommu_pa_t ring_pa, status_pa;
	_Atomic uint64_t *ring, *status;
	uint64_t tail;	       /* index; lock */
	_Atomic uint64_t done; /* all indices below completed; changed under lock, may lag */
	uint64_t timeout_ns;   /* bound of a wait */
	struct vtdd_position at[VTDD_QUEUE_SIZE];
};

/* Allocates. @wide: 32-byte descriptors. 0, -ENOMEM. */
int vtdd_queue_init(struct vtdd_iommu *vi, bool wide);
void vtdd_queue_fini(struct vtdd_iommu *vi);
/* Value for IQA. */
uint64_t vtdd_queue_address(const struct vtdd_iommu *vi);

/*
 * vtdd_queue_run - submit a batch and wait for its completion
 * An empty batch is done at once. Not inside a DMA batch: draining waits for those.
 * 0; -EIO: hardware refused a descriptor (the others were done, the queue runs on);
 * -ETIMEDOUT: no completion within the bound; it may still come. Any thread.
 */
int vtdd_queue_run(struct vtdd_iommu *vi, struct vtdd_inv *inv);

#endif
