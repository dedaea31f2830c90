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
 *            another IOVA, memory that was freed, a translation that led nowhere
 *   blocked  the IOMMU blocked it
 *
 * A history is a ring, so entries are overwritten in the end. A probe publishes the
 * number at which its batch began, and probe_history_begin() waits while that is
 * PROBE_HISTORY / 2 entries old: what a probe needs for its verdict cannot vanish.
 * A stamp that was installed more than PROBE_HISTORY / 2 - 1 entries before the
 * access counts as wrong, not as stale. probe_judge() without a probe around it
 * finds out afterwards whether entries that it read were overwritten, and then says
 * neither right nor wrong (counts.unjudged); a probe's accesses are always judged.
 */
#ifndef PCI_COPY_PROBE_H
#define PCI_COPY_PROBE_H

#include <stdatomic.h>
#include <uiommu/dma.h>

#include "base/lock.h"
#include "base/task.h"

#define PROBE_HISTORY 4096	/* entries kept, a power of two */
#define PROBE_IDLE UINT64_MAX

struct probe_stamp {
	uint64_t domain;	/* 0: blocked, nothing may be read */
	uint64_t generation;
};

/* What a probe publishes, member of a list of the history that it judges with. */
struct probe_watch {
	_Atomic uint64_t seq;		/* of the history when its batch began; PROBE_IDLE outside */
	struct probe_watch *next;	/* history's lock */
};

struct probe_history {
	_Atomic uint64_t seq;
	struct lock lock;		/* list of watches */
	struct probe_watch *watches;
	uint64_t room;			/* the switcher's: entries below need no look at the watches */
	struct {
		_Atomic uint64_t domain, generation;
	} installed[PROBE_HISTORY];
};

/* One 32-byte cell of a probe page. */
struct probe_cell {
	uint64_t domain, generation, iova, check;	/* check: a mix of the other three */
};

/* The check of a cell. Zeroed memory is no cell; cells that differ in one word never mix to a good one. */
uint64_t probe_cell_check(uint64_t domain, uint64_t generation, uint64_t iova);

/* Fills len bytes (a multiple of 32) at page, which is seen at iova. Word-wise atomic stores. */
void probe_stamp_page(void *page, size_t len, uiommu_iova_t iova, struct probe_stamp stamp);

void probe_history_init(struct probe_history *h, struct probe_stamp first);
/*
 * Around a replacement: the next stamp is allowed from begin on, the former until
 * end. One switcher at a time. begin and cancel may wait for the end of a batch of
 * a probe, so not from a batch or with a lock that DMA needs.
 */
void probe_history_begin(struct probe_history *h, struct probe_stamp next);
void probe_history_end(struct probe_history *h);
/* Instead of end, after a failed replacement: the former stays. Until now either may have been seen. */
void probe_history_cancel(struct probe_history *h);

/* A watch of the caller's, who takes it out again before it goes. */
void probe_watch_add(struct probe_history *h, struct probe_watch *watch);
void probe_watch_del(struct probe_history *h, struct probe_watch *watch);
/* Around a batch of accesses that are judged: see above. One full barrier. */
void probe_watch_begin(const struct probe_history *h, struct probe_watch *watch);
void probe_watch_end(struct probe_watch *watch);

/* The sequence number before an access; and after it, when all loads of the access were made. */
uint64_t probe_seq_before(const struct probe_history *h);
uint64_t probe_seq_after(const struct probe_history *h);

struct probe_counts {			/* written by one thread, read by any */
	_Atomic uint64_t right, stale, wrong, blocked;
	_Atomic uint64_t unjudged;	/* probe_judge() without a watch came too late; 0 for a probe */
	_Atomic uint64_t longest_ns;	/* longest time from one access's start to its end */
	/* The first access that was stale or wrong, for the report; read it after have_bad (acquire). */
	_Atomic bool have_bad;
	struct {
		uint64_t seq_before, seq_after;
		uiommu_iova_t iova;
		struct probe_cell cell;		/* the first cell that gave it away */
		bool wrong;			/* else stale */
	} bad;
};

struct probe_opts {
	struct uiommu_ctx *ctx;
	struct task_set *tasks;
	struct uiommu_port *port;
	uint32_t pasid;
	struct probe_history *history;	/* outlives the probe */
	const uiommu_iova_t *pages;	/* IOVAs of probe pages, borrowed */
	unsigned int n_pages;
	unsigned int batch;		/* accesses per agent batch; 0: 16 */
	uint64_t seed;			/* choice of page, offset, length */
	/*
	 * A page that one access in eight writes to, whose content nobody reads through
	 * DMA; 0: none. Whether a write lands where it may not, or after it may, is seen by
	 * the owner of the pages behind it, who fills them when they are given up and looks
	 * at them later: here it is right when it was not blocked.
	 */
	uiommu_iova_t write_page;
	bool paused;			/* starts as after probe_pause() */
	uint64_t limit;			/* stop after so many accesses; 0: none */
};

struct probe;

/*
 * Starts a task that probes until probe_stop(). An access is one to 128 cells at a
 * random cell of a random page; small ones are more frequent. The caller owns
 * *@probe. 0, -EINVAL (no pages), -ENOMEM, -EAGAIN (no thread).
 */
int probe_start(const struct probe_opts *opts, struct probe **probe);
const struct probe_counts *probe_counts(const struct probe *probe);
/* Accesses made so far, of any verdict. Any thread. */
uint64_t probe_accesses(const struct probe *probe);
/*
 * Between pause and resume it makes no access and no batch of it is open; a pause
 * waits for the batch in progress. From one thread at a time, which is not in a batch.
 * It may be done twice, and before probe_stop().
 */
void probe_pause(struct probe *probe);
void probe_resume(struct probe *probe);
/* Stops and joins; counts stay valid until probe_free(). Once more does nothing. */
void probe_stop(struct probe *probe);
/* Stops it if need be. NULL is ignored. */
void probe_free(struct probe *probe);

/*
 * The verdict alone: adds to counts. fault: the access was blocked. data NULL: it
 * was not blocked, but no memory was there. len: a multiple of 32, at least 32.
 */
void probe_judge(const struct probe_history *h, uint64_t before, uint64_t after, uiommu_iova_t iova,
		 const void *data, size_t len, bool fault, struct probe_counts *counts);

#endif
