/* SPDX-License-Identifier: MIT */
/*
 * What was installed when, and the verdict on one access. See probe.h for the
 * classes.
 *
 * Invariants:
 * 1. Entry k is stored before seq becomes 2k - 1; seq never goes back.
 * 2. While a watch is published with number s, no entry above s / 2 + AHEAD is
 *    stored, so entries above s / 2 - PROBE_HISTORY / 2 stay what they were.
 * 3. An access between before and after may have met exactly the entries
 *    before / 2 to (after + 1) / 2.
 */
#include "pci/copy/probe.h"

#include <assert.h>

#include "base/sanitize.h"

/* How far a switcher may run ahead; a little less than half, so that the last look in judge_stamp() is
 * content. */
#define AHEAD (PROBE_HISTORY / 2 - 2)

_Static_assert((PROBE_HISTORY & (PROBE_HISTORY - 1)) == 0, "entries are found by index modulo PROBE_HISTORY");
_Static_assert(sizeof(struct probe_cell) == 32, "cell");

static uint64_t rotate(uint64_t v, unsigned int n)
{
	return v << n | v >> (64 - n);
}

/* Odd factors make each term a bijection of its word; the sum cannot hide the change of one. */
static uint64_t mix_stamp(uint64_t domain, uint64_t generation)
{
	return rotate(domain * UINT64_C(0x9e3779b97f4a7c15), 29) +
	       rotate(generation * UINT64_C(0xbf58476d1ce4e5b9), 17) + UINT64_C(0x94d049bb133111eb);
}

static uint64_t mix_iova(uint64_t iova)
{
	return rotate(iova * UINT64_C(0xd6e8feb86659fd93), 43);
}

uint64_t probe_cell_check(uint64_t domain, uint64_t generation, uint64_t iova)
{
	return mix_stamp(domain, generation) + mix_iova(iova);
}

void probe_stamp_page(void *page, size_t len, uiommu_iova_t iova, struct probe_stamp stamp)
{
	struct probe_cell *cell = page;

	for (size_t i = 0; i < len / sizeof(*cell); i++, cell++, iova += sizeof(*cell)) {
		__atomic_store_n(&cell->domain, stamp.domain, __ATOMIC_RELAXED);
		__atomic_store_n(&cell->generation, stamp.generation, __ATOMIC_RELAXED);
		__atomic_store_n(&cell->iova, iova, __ATOMIC_RELAXED);
		__atomic_store_n(&cell->check, probe_cell_check(stamp.domain, stamp.generation, iova),
				 __ATOMIC_RELAXED);
	}
}

static void entry_store(struct probe_history *h, uint64_t index, uint64_t domain, uint64_t generation)
{
	/*
	 * Release: who reads the new content also sees the number that came before,
	 * and can tell that the entry it was looking for is gone.
	 */
	atomic_store_explicit(&h->installed[index % PROBE_HISTORY].domain, domain, memory_order_release);
	atomic_store_explicit(&h->installed[index % PROBE_HISTORY].generation, generation,
			      memory_order_release);
}

static struct probe_stamp entry_load(const struct probe_history *h, uint64_t index)
{
	struct probe_stamp stamp;

	stamp.domain =
		atomic_load_explicit(&h->installed[index % PROBE_HISTORY].domain, memory_order_acquire);
	stamp.generation =
		atomic_load_explicit(&h->installed[index % PROBE_HISTORY].generation, memory_order_acquire);
	return stamp;
}

void probe_history_init(struct probe_history *h, struct probe_stamp first)
{
	for (unsigned int i = 0; i < PROBE_HISTORY; i++) {
		atomic_init(&h->installed[i].domain, 0);
		atomic_init(&h->installed[i].generation, 0);
	}
	atomic_init(&h->seq, 0);
	lock_init(&h->lock);
	h->watches = NULL;
	h->room = 1;
	entry_store(h, 0, first.domain, first.generation);
}

/* Index of the oldest entry that a running batch began with; @index without one. */
static uint64_t oldest_watch(struct probe_history *h, uint64_t index)
{
	uint64_t oldest = index;

	assert(lock_held(&h->lock));
	for (struct probe_watch *w = h->watches; w; w = w->next) {
		/* seq_cst: pairs with the exchange of probe_watch_begin(), as the stores of seq do. */
		uint64_t seq = atomic_load_explicit(&w->seq, memory_order_seq_cst);

		if (seq != PROBE_IDLE && seq / 2 < oldest)
			oldest = seq / 2;
	}
	return oldest;
}

/*
 * Waits until entry @index may be stored (invariant 2). A watch that this look
 * misses was published after it, so its batch loads a number that is at least
 * the current one, which is what room counts from.
 */
static void make_room(struct probe_history *h, uint64_t index)
{
	struct task_spin spin = { 0 };
	uint64_t oldest;

	if (index < h->room)
		return;
	lock_take(&h->lock);
	for (;;) {
		oldest = oldest_watch(h, atomic_load_explicit(&h->seq, memory_order_relaxed) / 2);
		if (index - oldest <= AHEAD)
			break;
		task_relax(&spin);
	}
	h->room = oldest + AHEAD + 1;
	lock_drop(&h->lock);
}

void probe_history_begin(struct probe_history *h, struct probe_stamp next)
{
	uint64_t seq = atomic_load_explicit(&h->seq, memory_order_relaxed);

	assert(!(seq & 1));
	make_room(h, seq / 2 + 1);
	entry_store(h, seq / 2 + 1, next.domain, next.generation);
	/* Before any store of the replacement, which are all ordered after (release or later). */
	atomic_store_explicit(&h->seq, seq + 1, memory_order_seq_cst);
}

void probe_history_end(struct probe_history *h)
{
	uint64_t seq = atomic_load_explicit(&h->seq, memory_order_relaxed);

	assert(seq & 1);
	/* After all that the replacement did. */
	atomic_store_explicit(&h->seq, seq + 1, memory_order_seq_cst);
}

void probe_history_cancel(struct probe_history *h)
{
	uint64_t seq = atomic_load_explicit(&h->seq, memory_order_relaxed);
	struct probe_stamp former = entry_load(h, seq / 2);

	assert(seq & 1);
	/* As if the next stamp had been installed and replaced by the former at once. */
	make_room(h, seq / 2 + 2);
	entry_store(h, seq / 2 + 2, former.domain, former.generation);
	atomic_store_explicit(&h->seq, seq + 3, memory_order_seq_cst);
}

void probe_watch_add(struct probe_history *h, struct probe_watch *watch)
{
	atomic_init(&watch->seq, PROBE_IDLE);
	lock_take(&h->lock);
	watch->next = h->watches;
	h->watches = watch;
	lock_drop(&h->lock);
}

void probe_watch_del(struct probe_history *h, struct probe_watch *watch)
{
	struct probe_watch **at;

	lock_take(&h->lock);
	for (at = &h->watches; *at != watch; at = &(*at)->next)
		;
	*at = watch->next;
	lock_drop(&h->lock);
}

void probe_watch_begin(const struct probe_history *h, struct probe_watch *watch)
{
	uint64_t seq = atomic_load_explicit(&h->seq, memory_order_relaxed);

	/* Published before the batch's first load of seq; an older number only makes a switch wait. */
	atomic_exchange_explicit(&watch->seq, seq, memory_order_seq_cst);
}

void probe_watch_end(struct probe_watch *watch)
{
	atomic_store_explicit(&watch->seq, PROBE_IDLE, memory_order_release);
}

uint64_t probe_seq_before(const struct probe_history *h)
{
	/* Acquire keeps the access behind it; seq_cst is for invariant 2. */
	return atomic_load_explicit(&h->seq, memory_order_seq_cst);
}

uint64_t probe_seq_after(const struct probe_history *h)
{
#if !BUILD_TSAN
	/*
	 * Keeps the loads of the access, of whatever order, before the load below; a
	 * number that is too old would call a right access wrong. Nothing but atomics is
	 * ordered by it, so that a TSan build, which does not know fences, loses nothing.
	 */
	atomic_thread_fence(memory_order_acquire);
#endif
	return atomic_load_explicit(&h->seq, memory_order_acquire);
}

enum verdict {
	VERDICT_RIGHT,
	VERDICT_STALE,
	VERDICT_WRONG,
	VERDICT_UNJUDGED,
};

/* The first cell that does not belong to the stamp of the first one and to its place, or n. */
static size_t first_odd_cell(const struct probe_cell *cells, size_t n, uiommu_iova_t iova)
{
	const uint64_t domain = cells[0].domain, generation = cells[0].generation;
	const uint64_t check = mix_stamp(domain, generation);

	for (size_t i = 0; i < n; i++, iova += sizeof(*cells)) {
		const struct probe_cell *c = &cells[i];

		if (c->domain != domain || c->generation != generation || c->iova != iova ||
		    c->check != check + mix_iova(iova))
			return i;
	}
	return n;
}

/* Whether entries [first, last] hold the stamp. */
static bool installed_in(const struct probe_history *h, uint64_t first, uint64_t last,
			 struct probe_stamp stamp)
{
	for (uint64_t k = first; k <= last; k++) {
		struct probe_stamp s = entry_load(h, k);

		if (s.domain == stamp.domain && s.generation == stamp.generation)
			return true;
	}
	return false;
}

static enum verdict judge_stamp(const struct probe_history *h, uint64_t before, uint64_t after,
				struct probe_stamp stamp)
{
	uint64_t first = before / 2, last = (after + 1) / 2, now, oldest = first;
	enum verdict verdict = VERDICT_WRONG;

	if (!stamp.domain)
		return VERDICT_WRONG;
	if (last - first >= PROBE_HISTORY)
		return VERDICT_UNJUDGED;
	if (installed_in(h, first, last, stamp)) {
		verdict = VERDICT_RIGHT;
	} else if (first) {
		oldest = first >= PROBE_HISTORY / 2 ? first - (PROBE_HISTORY / 2 - 1) : 0;
		if (installed_in(h, oldest, first - 1, stamp))
			verdict = VERDICT_STALE;
	}
	/* Entry now / 2 + 1 may be half stored; it and all before it overwrote what is PROBE_HISTORY older.
	 */
	now = atomic_load_explicit(&h->seq, memory_order_acquire);
	if (now / 2 + 1 - first >= PROBE_HISTORY)
		return VERDICT_UNJUDGED;
	/* The access was bad in any case; whether stale or wrong, old entries can no longer tell. */
	if (verdict == VERDICT_STALE && now / 2 + 1 - oldest >= PROBE_HISTORY)
		return VERDICT_WRONG;
	return verdict;
}

/* One writer, so no read-modify-write is needed. */
static void count(_Atomic uint64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

static void keep_bad(struct probe_counts *counts, uint64_t before, uint64_t after, uiommu_iova_t iova,
		     const struct probe_cell *cell, bool wrong)
{
	if (atomic_load_explicit(&counts->have_bad, memory_order_relaxed))
		return;
	counts->bad.seq_before = before;
	counts->bad.seq_after = after;
	counts->bad.iova = iova;
	counts->bad.cell = cell ? *cell : (struct probe_cell){ 0 };
	counts->bad.wrong = wrong;
	atomic_store_explicit(&counts->have_bad, true, memory_order_release);
}

void probe_judge(const struct probe_history *h, uint64_t before, uint64_t after, uiommu_iova_t iova,
		 const void *data, size_t len, bool fault, struct probe_counts *counts)
{
	const struct probe_cell *cells = data;
	size_t n = len / sizeof(*cells), odd = 0;
	enum verdict verdict = VERDICT_WRONG;

	if (fault) {
		count(&counts->blocked);
		return;
	}
	if (data && n)
		odd = first_odd_cell(cells, n, iova);
	if (data && n && odd == n) {
		struct probe_stamp stamp = { cells[0].domain, cells[0].generation };

		odd = 0;
		verdict = judge_stamp(h, before, after, stamp);
	}
	switch (verdict) {
	case VERDICT_RIGHT:
		count(&counts->right);
		return;
	case VERDICT_UNJUDGED:
		count(&counts->unjudged);
		return;
	case VERDICT_STALE:
		count(&counts->stale);
		break;
	case VERDICT_WRONG:
		count(&counts->wrong);
		break;
	}
	keep_bad(counts, before, after, iova, data && n ? &cells[odd] : NULL, verdict == VERDICT_WRONG);
}
