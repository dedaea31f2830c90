/* SPDX-License-Identifier: MIT */
/*
 * The entry-update planner: (old entry, new entry, what the hardware guarantees)
 * becomes a list of stores and configuration syncs such that hardware, whatever
 * it fetches and keeps meanwhile, decodes the old or the new entry and nothing
 * else; or, where that cannot be had, a break-before-make that says so.
 *
 * The planner knows no hardware: struct entry_format tells it. Used-bit masks are
 * derived from the format's decoder (plan_derive_used()), per kind of entry, and
 * are a proposal only; plan_verify() proves a plan by trying every mixture of
 * granules that hardware may combine at each step.
 *
 * Words: a *fetch group* is what hardware reads at once; a *store granule* is what
 * one store changes at once as hardware sees it, the smaller of a fetch group and
 * the widest store; a *window* is the time from one sync to the next.
 *
 * Invariants of the plans made here:
 * 1. A change of a present entry does not lean on any read order: what is
 *    promised is the order around the present bit going 0 -> 1, no more.
 * 2. When a plan ends, no copy or fetch of a present entry that may still be used
 *    has seen anything but the granules of the final entry. So plans may follow
 *    one another, and each may be verified alone.
 * 3. A not-present entry is not kept by hardware (VT-d: caching mode 0).
 * 4. When a plan ends the entry in memory is the target, bit for bit.
 */
#ifndef UPDATE_PLAN_H
#define UPDATE_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include <uiommu/types.h>

#define ENTRY_WORDS_MAX 8 /* 64-bit words of the largest entry */
#define PLAN_STEPS_MAX 20 /* 7 fills, sync, critical store, sync, 7 clean-ups, sync; and 2 to spare */
#define DECODED_WORDS 8

/* What hardware makes of an entry: equal arrays mean the same translation. Unused words 0. */
struct entry_decoded {
	uint64_t word[DECODED_WORDS];
};

struct entry_format {
	const char *name;
	unsigned int words;	  /* 64-bit words of an entry, a power of two */
	unsigned int fetch_words; /* hardware reads naturally aligned groups of so many words at once */
	/*
	 * The word and bit that makes an entry present. Hardware may rely on what
	 * the specification promises for it going 0 -> 1: its granule is read first.
	 * What hardware reads of an entry that is not present is fetched together with it.
	 */
	unsigned int present_word;
	uint64_t present_bit;
	/* Canonical form of what hardware would do with it, faults included. Pure. */
	void (*decode)(const void *arg, const uint64_t *entry, struct entry_decoded *out);
	const void *arg; /* capabilities, for decode */
	/*
	 * Optional, static: why a pair of present entries has a gap, in the words
	 * of the format, when what differs lies in several fetch groups ...
	 */
	const char *apart_reason;
	/* ... and when it is only that there is no 16-byte store. NULL: said generically. */
	const char *store_reason;
};

enum plan_caps {
	PLAN_STORE128 = 1,  /* 16-byte stores are single-copy atomic */
	PLAN_ANY_ORDER = 2, /* hardware may read another granule before the present bit's */
};

enum plan_op {
	PLAN_STORE64,	  /* word[at] = val[0] */
	PLAN_STORE128_OP, /* word[at], word[at + 1] = val[0], val[1]; at is even */
	PLAN_SYNC, /* invalidate cached copies of the entry and wait: no older fetch is used any more */
};

struct plan_step {
	enum plan_op op;
	unsigned int at;
	uint64_t val[2];
	const char *why; /* the specification sentence or the reasoning that makes it safe; static */
};

struct plan {
	enum uiommu_strategy strategy;
	enum uiommu_gap gap;
	enum uiommu_gap best_gap; /* the best that any plan known here can give */
	const char *reason;	  /* for a gap: what is missing; else NULL. Static. */
	unsigned int n;		  /* steps used; the others are not initialised */
	unsigned int stores;
	unsigned int syncs;
	struct plan_step step[PLAN_STEPS_MAX];
};

/* Bits of each word that can change what hardware does with an entry of this kind. */
struct entry_used {
	uint64_t mask[ENTRY_WORDS_MAX]; /* words beyond fmt->words: 0; the present bit is always in it */
};

/*
 * plan_derive_used - ask the decoder which bits of @entry matter
 * Flips each bit; then sets the bits that seem ignored to patterns in which every
 * two of them take all four values, so that two fields that matter only together
 * are found too. Bits that matter only beside other values of used fields are not:
 * call it for several entries of a kind and combine the masks. A proposal, never
 * a proof. About 1000 decodes; allocates nothing; any thread.
 */
void plan_derive_used(const struct entry_format *fmt, const uint64_t *entry, struct entry_used *used);

/*
 * plan_make - plan the way from @cur to @target
 * @caps: enum plan_caps, or-ed
 * @used_cur, @used_target: masks of the two kinds
 * Takes the cheapest strategy that holds: no gap before a gap, then fewer syncs,
 * fewer stores, fewer bytes. No allocation; O(words); any thread. Always succeeds:
 * break-before-make is possible for every pair. From or to an entry that is not
 * present there is no gap: accesses are wholly blocked or wholly translated.
 */
void plan_make(const struct entry_format *fmt, unsigned int caps, const uint64_t *cur,
	       const struct entry_used *used_cur, const uint64_t *target,
	       const struct entry_used *used_target, struct plan *plan);

/*
 * plan_clear - clear the present bit, sync, zero the rest; for parking and removal
 * Syncs also when the entry in memory is not present: an earlier plan may have
 * been cut short by a failing sync, and copies be left.
 */
void plan_clear(const struct entry_format *fmt, unsigned int caps, const uint64_t *cur, struct plan *plan);

struct plan_violation {
	unsigned int step; /* the mixture could be seen after this step; plan->n: after the end */
	uint64_t entry[ENTRY_WORDS_MAX];
	const char *what; /* static: what is wrong with it */
};

/*
 * plan_verify - try everything that hardware could decode while the plan runs
 * Walks the plan; between two syncs every granule may hold any value that it had
 * since the last sync (subject to the read order). 0, or -EINVAL with *bad set: a
 * mixture decodes neither as @cur nor as @target; for a plan with
 * UIOMMU_GAP_BLOCKED "not present" is allowed besides. Also checks that the last
 * state decodes as @target, that invariant 2 holds, and that the counts are right.
 * Pure; exponential in the fetch groups that change between two syncs.
 */
int plan_verify(const struct entry_format *fmt, unsigned int caps, const uint64_t *cur,
		const uint64_t *target, const struct plan *plan, struct plan_violation *bad);

#endif
