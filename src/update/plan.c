/* SPDX-License-Identifier: MIT */
/*
 * Making plans. A replacement pays for plan_make() each time, so it works on
 * bitmaps of words and never loops over bits.
 *
 * Let d be the bits that differ. Bits that only the new kind uses may be written
 * while the old entry is live (it ignores them); bits that only the old kind uses
 * may be written when it is not live any more; bits that both use must change all
 * at once, so they must lie in one store granule, the critical one. Two granules
 * with such bits: there is no order without a third entry in between, and the
 * entry is broken first.
 */
#include "update/plan.h"

#include <string.h>

static const char why_fill[] =
	"the current kind of entry ignores these bits, so it decodes alike whichever value is fetched";
static const char why_fill_absent[] =
	"the entry is not present: hardware reads nothing else of it (VT-d 6.5.3.3: P is set last)";
static const char why_fill_sync[] =
	"a fetch that read these granules before they were filled must not be combined with the next store: "
	"only the present bit going 0 -> 1 promises an order of reads";
static const char why_fill_sync_any[] =
	"hardware may read other granules before the present bit: no fetch from before the fill may be left";
static const char why_critical[] =
	"all that both kinds use and that differs lies in this granule, which one store changes and one "
	"fetch reads at once (VT-d: entries are fetched in 16-byte units)";
static const char why_present[] =
	"the present bit is set last and its granule is read first: whoever sees it sees the rest "
	"(VT-d 6.5.3.3)";
static const char why_absent[] =
	"only the present bit goes: software owns the entry when no copy is left (VT-d 6.5.3.3)";
static const char why_critical_sync[] =
	"cached copies of the old entry go, and with them all that still reads what only it uses";
static const char why_break[] =
	"break: no order of stores avoids a mixture of both entries, so the entry is not present meanwhile";
static const char why_clean[] =
	"the new kind of entry ignores these bits; no older fetch is left, so they can go";
static const char why_clean_group[] =
	"the new kind of entry ignores these bits, and they are fetched at once with the critical granule";
static const char why_clean_sync[] =
	"no fetch that saw what was cleaned up may meet the stores of a later plan";
static const char why_last_sync[] = "cached copies from before the change go";

static const char reason_apart[] =
	"old and new entry both use bits that differ in granules which hardware fetches apart; "
	"this version cannot change those without a gap";
static const char reason_store[] =
	"no 16-byte store: old and new entry both use bits that differ in two 8-byte words of one fetch";
static const char reason_wide[] =
	"old and new entry both use bits that differ in several store granules of one fetch: no store is "
	"wide enough";

struct work {
	struct plan *plan;
	unsigned int granule;	       /* words that one store changes at once: 1 or 2 */
	bool dirty;		       /* stores since the last sync */
	uint64_t now[ENTRY_WORDS_MAX]; /* the entry in memory at this point of the plan */
};

/* Bitmap of the first words of the granules that hold the words in @map. */
static inline unsigned int fold(unsigned int map, unsigned int granule)
{
	return granule == 1 ? map : (map | map >> 1) & 0x55u;
}

/* Bitmap of the words fetched together with @word. */
static inline unsigned int fetch_group(const struct entry_format *fmt, unsigned int word)
{
	unsigned int n = fmt->fetch_words;

	return ((1u << n) - 1) << (word & ~(n - 1));
}

static inline bool is_present(const struct entry_format *fmt, const uint64_t *entry)
{
	return entry[fmt->present_word] & fmt->present_bit;
}

static void sync(struct work *w, const char *why)
{
	struct plan_step *s;

	if (!w->dirty)
		return;
	s = &w->plan->step[w->plan->n++];
	s->op = PLAN_SYNC;
	s->at = 0;
	s->val[0] = 0;
	s->val[1] = 0;
	s->why = why;
	w->plan->syncs++;
	w->dirty = false;
}

/* One granule gets the values @val (of its words, from its first). One changed word needs no wide store. */
static inline void store(struct work *w, unsigned int at, const uint64_t *val, const char *why)
{
	bool lo = w->now[at] != val[0], hi = w->granule == 2 && w->now[at + 1] != val[1];
	struct plan_step *s = &w->plan->step[w->plan->n];

	if (!lo && !hi)
		return;
	s->op = lo && hi ? PLAN_STORE128_OP : PLAN_STORE64;
	s->at = lo ? at : at + 1;
	s->val[0] = lo ? val[0] : val[1];
	s->val[1] = lo && hi ? val[1] : 0;
	s->why = why;
	w->now[s->at] = s->val[0];
	if (lo && hi)
		w->now[at + 1] = val[1];
	w->plan->n++;
	w->plan->stores++;
	w->dirty = true;
}

/* Stores the granules in @map from @entry. */
static inline void store_map(struct work *w, unsigned int map, const uint64_t *entry, const char *why)
{
	for (; map; map &= map - 1) {
		unsigned int at = (unsigned int)__builtin_ctz(map);

		store(w, at, entry + at, why);
	}
}

/* What differs between two entries: bitmaps of words. */
struct diff {
	unsigned int any;  /* any bit */
	unsigned int used; /* bits that one of the kinds uses */
	unsigned int both; /* bits that both kinds use */
	unsigned int fill; /* bits to write before the critical store */
	unsigned int left; /* bits that may be left to write after it */
};

static inline void reset(struct plan *plan)
{
	plan->strategy = UIOMMU_STRATEGY_NOTHING;
	plan->gap = UIOMMU_GAP_NONE;
	plan->best_gap = UIOMMU_GAP_NONE;
	plan->reason = NULL;
	plan->n = 0;
	plan->stores = 0;
	plan->syncs = 0;
}

/* Words that one store changes at once. A wider store than a fetch is seen in pieces all the same. */
static inline unsigned int granule_words(const struct entry_format *fmt, unsigned int caps)
{
	return (caps & PLAN_STORE128) && fmt->fetch_words > 1 ? 2 : 1;
}

static inline void begin(struct work *w, const struct entry_format *fmt, unsigned int caps,
			 const uint64_t *cur, struct plan *plan)
{
	reset(plan);
	w->plan = plan;
	w->granule = granule_words(fmt, caps);
	w->dirty = false;
	for (unsigned int i = 0; i < fmt->words; i++)
		w->now[i] = cur[i];
}

/* Why there is no plan without a gap; @both: words with differing bits that both entries use. */
static void explain_gap(const struct entry_format *fmt, unsigned int both, struct plan *plan)
{
	unsigned int first = (unsigned int)__builtin_ctz(both);

	plan->gap = UIOMMU_GAP_BLOCKED;
	plan->best_gap = UIOMMU_GAP_BLOCKED;
	if (fmt->fetch_words > 1 && !(both & ~(3u << (first & ~1u)))) {
		plan->best_gap = UIOMMU_GAP_NONE;
		plan->reason = fmt->store_reason ? fmt->store_reason : reason_store;
	} else if (!(both & ~fetch_group(fmt, first))) {
		plan->reason = reason_wide;
	} else {
		plan->reason = fmt->apart_reason ? fmt->apart_reason : reason_apart;
	}
}

static void make_break(const struct entry_format *fmt, unsigned int caps, const uint64_t *target,
		       const struct diff *diff, struct work *w)
{
	unsigned int pw = fmt->present_word, group = fetch_group(fmt, pw);
	unsigned int present = fold(1u << pw, w->granule), others = fold(diff->any, w->granule) & ~present;
	bool absent = !is_present(fmt, w->now);

	explain_gap(fmt, diff->both, w->plan);
	w->plan->strategy = UIOMMU_STRATEGY_BREAK;
	if (!absent) {
		uint64_t gone[ENTRY_WORDS_MAX];
		unsigned int at = (unsigned int)__builtin_ctz(present);

		memcpy(gone, w->now, fmt->words * sizeof(gone[0]));
		gone[pw] &= ~fmt->present_bit;
		store(w, at, gone + at, why_break);
		sync(w, why_critical_sync);
	}
	store_map(w, others & ~group, target, why_fill_absent);
	if (caps & PLAN_ANY_ORDER)
		sync(w, why_fill_sync_any);
	store_map(w, others & group, target, why_fill_absent);
	store_map(w, present, target, why_present);
}

/* @now with the bits of @target where the mask, turned over if @invert is all ones, has a 1. */
static void blend(const struct entry_format *fmt, const uint64_t *now, const uint64_t *target,
		  const struct entry_used *used, uint64_t invert, uint64_t *out)
{
	unsigned int i = 0;

	do
		out[i] = now[i] ^ ((now[i] ^ target[i]) & (used->mask[i] ^ invert));
	while (++i < fmt->words);
}

/* @crit: the critical granule as a bitmap of its first word, 0 if there is none. */
static void make_steps(const struct entry_format *fmt, unsigned int caps, const uint64_t *target,
		       const struct entry_used *used_cur, const struct entry_used *used_target,
		       const struct diff *diff, unsigned int crit, struct work *w)
{
	unsigned int group = crit ? fetch_group(fmt, (unsigned int)__builtin_ctz(crit)) : 0;
	unsigned int fill = fold(diff->fill, w->granule) & ~crit, left = fold(diff->left, w->granule) & ~crit;
	bool was = is_present(fmt, w->now), will = is_present(fmt, target), any = caps & PLAN_ANY_ORDER;
	uint64_t step[ENTRY_WORDS_MAX];

	if (fill) {
		const char *why = was ? why_fill : why_fill_absent;

		/* All that the current kind ignores takes its final value, what it uses stays. */
		blend(fmt, w->now, target, used_cur, ~UINT64_C(0), step);
		store_map(w, fill & ~group, step, why);
		if (was || any)
			sync(w, was ? why_fill_sync : why_fill_sync_any);
		store_map(w, fill & group, step, why);
	}
	if (was && !will) {
		/* The handshake: nothing but what "not present" uses, the rest when no copy is left. */
		blend(fmt, w->now, target, used_target, 0, step);
		store_map(w, crit, step, why_absent);
		sync(w, why_critical_sync);
		store_map(w, (left & group) | crit, target, why_clean);
		if (left & ~group) {
			store_map(w, left & ~group, target, why_clean);
			/* Otherwise a fetch that saw them has read "not present" before, and ends there. */
			if (any)
				sync(w, why_clean_sync);
		}
		return;
	}
	store_map(w, crit, target, was ? why_critical : why_present);
	store_map(w, left & group, target, why_clean_group);
	if (was)
		sync(w, left & ~group ? why_critical_sync : why_last_sync);
	store_map(w, left & ~group, target, why_clean);
	if (was || (left && will))
		sync(w, why_clean_sync);
}

/*
 * The common case ahead of all else: two present entries that differ in one granule, in
 * bits that both use. What make_steps() would make of it, without its bookkeeping. False,
 * and nothing done: it is another case.
 */
static bool make_single(const struct entry_format *fmt, unsigned int granule, const uint64_t *cur,
			const struct entry_used *used_cur, const uint64_t *target,
			const struct entry_used *used_target, struct plan *plan)
{
	unsigned int next = granule - 1, at; /* next: the granule's other word, or the same */
	struct plan_step *s = plan->step;
	unsigned int differs = 0;
	uint64_t lo, hi, both;

	for (unsigned int i = 0; i < fmt->words; i += granule) {
		uint64_t d = (cur[i] ^ target[i]) | (cur[i + next] ^ target[i + next]);

		differs |= (unsigned int)(d != 0) << i;
	}
	if (!differs || (differs & (differs - 1)) || !is_present(fmt, cur) || !is_present(fmt, target))
		return false;
	at = (unsigned int)__builtin_ctz(differs);
	lo = cur[at] ^ target[at];
	hi = next ? cur[at + 1] ^ target[at + 1] : 0;
	both = (lo & used_cur->mask[at] & used_target->mask[at]) |
	       (hi & used_cur->mask[at + next] & used_target->mask[at + next]);
	if (!both)
		return false;
	reset(plan);
	plan->strategy = UIOMMU_STRATEGY_SINGLE_STORE;
	plan->n = 2;
	plan->stores = 1;
	plan->syncs = 1;
	if (!lo)
		at++;
	s[0].op = lo && hi ? PLAN_STORE128_OP : PLAN_STORE64;
	s[0].at = at;
	s[0].val[0] = target[at];
	s[0].val[1] = lo && hi ? target[at + 1] : 0;
	s[0].why = why_critical;
	s[1].op = PLAN_SYNC;
	s[1].at = 0;
	s[1].val[0] = 0;
	s[1].val[1] = 0;
	s[1].why = why_last_sync;
	return true;
}

/* Out of line, so that the common case saves no registers for it. */
static __attribute__((noinline)) void make_any(const struct entry_format *fmt, unsigned int caps,
					       const uint64_t *cur, const struct entry_used *used_cur,
					       const uint64_t *target, const struct entry_used *used_target,
					       struct plan *plan)
{
	struct diff diff = { 0 };
	bool was = is_present(fmt, cur);
	unsigned int crit;
	struct work w;

	begin(&w, fmt, caps, cur, plan);
	for (unsigned int i = 0; i < fmt->words; i++) {
		uint64_t d = cur[i] ^ target[i], c = used_cur->mask[i], t = used_target->mask[i];

		if (!d)
			continue;
		diff.any |= 1u << i;
		diff.used |= (unsigned int)((d & (c | t)) != 0) << i;
		diff.both |= (unsigned int)((d & c & t) != 0) << i;
		diff.fill |= (unsigned int)((d & ~c & (was ? t : ~UINT64_C(0))) != 0) << i;
		diff.left |= (unsigned int)(was || (d & c & ~t) != 0) << i;
	}
	if (!diff.any)
		return;
	crit = fold(diff.both, w.granule);
	if (crit & (crit - 1)) {
		make_break(fmt, caps, target, &diff, &w);
		return;
	}
	make_steps(fmt, caps, target, used_cur, used_target, &diff, crit, &w);
	diff.used = fold(diff.used, w.granule);
	plan->strategy =
		diff.used & (diff.used - 1) ? UIOMMU_STRATEGY_USED_BITS : UIOMMU_STRATEGY_SINGLE_STORE;
}

void plan_make(const struct entry_format *fmt, unsigned int caps, const uint64_t *cur,
	       const struct entry_used *used_cur, const uint64_t *target,
	       const struct entry_used *used_target, struct plan *plan)
{
	if (!make_single(fmt, granule_words(fmt, caps), cur, used_cur, target, used_target, plan))
		make_any(fmt, caps, cur, used_cur, target, used_target, plan);
}

void plan_clear(const struct entry_format *fmt, unsigned int caps, const uint64_t *cur, struct plan *plan)
{
	static const uint64_t zero[ENTRY_WORDS_MAX];
	unsigned int pw = fmt->present_word, group = fetch_group(fmt, pw), any = 0;
	uint64_t gone[ENTRY_WORDS_MAX];
	unsigned int at;
	struct work w;

	begin(&w, fmt, caps, cur, plan);
	at = pw & ~(w.granule - 1);
	memcpy(gone, w.now, fmt->words * sizeof(gone[0]));
	gone[pw] &= ~fmt->present_bit;
	store(&w, at, gone + at, why_absent);
	w.dirty = true;
	sync(&w, why_critical_sync);
	for (unsigned int i = 0; i < fmt->words; i++)
		any |= (unsigned int)(w.now[i] != 0) << i;
	any = fold(any, w.granule);
	store_map(&w, any & group, zero, why_clean);
	if (any & ~group) {
		store_map(&w, any & ~group, zero, why_clean);
		if (caps & PLAN_ANY_ORDER)
			sync(&w, why_clean_sync);
	}
	plan->strategy = any & ~group ? UIOMMU_STRATEGY_USED_BITS : UIOMMU_STRATEGY_SINGLE_STORE;
}
