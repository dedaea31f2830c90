/* SPDX-License-Identifier: MIT */
/*
 * Probes: a load generator that judges every access it makes.
 *
 * A probe page is stamped all over with (domain, IOVA, generation). A victim's
 * history says which stamps were installed when: its sequence number is even
 * while one domain is installed (index seq / 2) and odd while it is being replaced
 * by the next. A probe reads the number, makes one access, reads it again:
 *   right    all cells of the access carry one stamp that was installed within
 *            that interval, and the IOVA that was asked for
 *   stale    one stamp that was installed earlier, but not within the interval
 *   wrong    anything else: another domain's data, two stamps in one access,
 *            another IOVA, memory that was freed
 *   blocked  the IOMMU blocked it
 */
#ifndef PCI_COPY_PROBE_H
#define PCI_COPY_PROBE_H

#include <stdatomic.h>
#include <uiommu/dma.h>

#include "base/task.h"

#define PROBE_HISTORY 4096	/* entries kept; a switch waits while a probe is older */

struct probe_stamp {
	uint64_t domain;	/* 0: blocked, nothing may be read */
	uint64_t generation;
};

struct probe_history {
	_Atomic uint64_t seq;
	struct {
		_Atomic uint64_t domain, generation;
	} installed[PROBE_HISTORY];
};

/* One 32-byte cell of a probe page. */
struct probe_cell {
	uint64_t domain, generation, iova, check;	/* check: a mix of the other three */
};

/* Fills len bytes (a multiple of 32) at page, which is seen at iova. Word-wise atomic stores. */
void probe_stamp_page(void *page, size_t len, uiommu_iova_t iova, struct probe_stamp stamp);

void probe_history_init(struct probe_history *h, struct probe_stamp first);
/* Around a replacement: the next stamp is allowed from begin on, the former until end. */
void probe_history_begin(struct probe_history *h, struct probe_stamp next);
void probe_history_end(struct probe_history *h);
/* After a failed replacement: the former stays. */
void probe_history_cancel(struct probe_history *h);

struct probe_counts {
	_Atomic uint64_t right, stale, wrong, blocked;
	_Atomic uint64_t longest_ns;	/* longest time from one access's start to its end */
	/* The first access that was stale or wrong, for the report. */
	_Atomic bool have_bad;
	struct {
		uint64_t seq_before, seq_after;
		uiommu_iova_t iova;
		struct probe_cell cell;
		bool wrong;
	} bad;
};

struct probe_opts {
	struct uiommu_ctx *ctx;
	struct task_set *tasks;
	struct uiommu_port *port;
	uint32_t pasid;
	const struct probe_history *history;
	const uiommu_iova_t *pages;	/* IOVAs of probe pages, borrowed */
	unsigned int n_pages;
	unsigned int batch;		/* accesses per agent batch */
	uint64_t seed;			/* choice of page, offset, length */
	uint64_t limit;			/* stop after so many accesses; 0: none */
};

struct probe;

/* Starts a task that probes until probe_stop(). 0 or -ENOMEM. */
int probe_start(const struct probe_opts *opts, struct probe **probe);
const struct probe_counts *probe_counts(const struct probe *probe);
/* Stops and joins; counts stay valid until probe_free(). */
void probe_stop(struct probe *probe);
void probe_free(struct probe *probe);

/* The verdict alone, for tests: adds to counts. fault: the access was blocked. */
void probe_judge(const struct probe_history *h, uint64_t before, uint64_t after, uiommu_iova_t iova,
		 const void *data, size_t len, bool fault, struct probe_counts *counts);

#endif
