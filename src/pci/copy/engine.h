/* SPDX-License-Identifier: MIT */
/*
 * Inside the copy engine: the run (what CTRL.enable starts and ends), the threads
 * and what they share. engine.c has the registers and the run, work.c does one
 * descriptor. Hosts use uiommu/copy.h.
 *
 * Invariants:
 * 1. A claim is one descriptor of one run, held by one thread. Claims are taken
 *    and released under the lock; between two claims of a thread no batch is open.
 * 2. While claims of an ended run are held (winding > 0), no new claim is taken:
 *    descriptors of two runs are never worked on at the same time.
 * 3. head <= claimed <= tail <= head + size, modulo 2^32.
 * 4. No lock is taken, nothing is waited for and nothing allocated inside a batch.
 */
#ifndef PCI_COPY_ENGINE_H
#define PCI_COPY_ENGINE_H

#include <stdatomic.h>
#include <uiommu/copy.h>

#include "base/lock.h"
#include "base/task.h"
#include "pci/copy/bell.h"
#include "pci/copy/crc32c.h"

#define COPY_THREADS_MAX 16
#define COPY_SIZE_LG2_MAX 16
#define COPY_BATCH 16		/* accesses between agent begin and end */

/* A descriptor to work on. */
struct copy_claim {
	uint64_t run;
	uint32_t index;			/* free running */
	uint32_t pasid;
	uiommu_iova_t desc, done;	/* its slots */
};

struct copy_thread {
	struct uiommu_copy *copy;
	struct uiommu_agent *agent;
	struct task *task;
	struct task_spin pass;
	unsigned int in_batch;		/* accesses in the open batch; 0: none is open */
	struct copy_claim claim;
	/* Written by the thread alone, read by anybody. */
	_Atomic uint64_t accesses, blocked;
	unsigned char buf[UIOMMU_PAGE_SIZE + 8] __attribute__((aligned(8)));
};

struct uiommu_copy {
	struct uiommu_ctx *ctx;
	struct uiommu_port *port;
	struct task_set *tasks;
	unsigned int n_threads;
	struct copy_thread *threads;
	struct crc32c crc;
	struct bell bell;
	atomic_bool quit;
	_Atomic uint64_t run;		/* odd while a run goes on; written under lock */
	_Atomic uint64_t ctrl;		/* written under lock */

	struct lock lock;		/* all below; leaf: nothing else is taken while it is held */
	uint64_t ring, done, size_lg2, pasid, msi_addr, msi_data;	/* as written */
	struct {			/* as taken over by the run */
		uiommu_iova_t ring, done;
		uint32_t size, pasid;
	} now;
	bool error;
	uint32_t head, claimed, tail;
	unsigned int active, winding;	/* claims held: of this run, of ended runs */
	/* Completed with head not there yet; bit: index modulo size. */
	uint64_t finished[(1u << COPY_SIZE_LG2_MAX) / 64];
};

/* False once the claim's run has ended. Any thread, no lock. */
static inline bool copy_claim_valid(const struct copy_thread *t)
{
	return atomic_load_explicit(&t->copy->run, memory_order_acquire) == t->claim.run;
}

/* Ends @run with STATUS bit 1, if it still goes on. Not in a batch. */
void copy_ring_error(struct uiommu_copy *copy, uint64_t run);

/*
 * The claim's record is written: HEAD may count it. True if the run goes on and lets
 * MSIs out; *@msi_addr and *@msi_data are set then. Not in a batch.
 */
bool copy_finish(struct copy_thread *t, uint64_t *msi_addr, uint32_t *msi_data);

/* Gives the claim back; the thread makes no access for it any more. Not in a batch. */
void copy_release(struct copy_thread *t);

/* Works on the thread's claim and releases it. No batch is open before and after. */
void copy_work(struct copy_thread *t);

#endif
