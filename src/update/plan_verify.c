/* SPDX-License-Identifier: MIT */
/*
 * Judging plans by the decoder alone: nothing here knows a mask or a strategy,
 * so that a mistake of the planner is not made twice. And the masks themselves,
 * which the planner takes as a proposal.
 *
 * 1. A fetch reads each group of words at once, the groups at different times.
 * 2. A fetch that is used after a sync has read all groups after that sync began;
 *    within a window it may have read each group at any time of the window, and,
 *    unless PLAN_ANY_ORDER, the present bit's group not later than the others.
 */
#include <errno.h>
#include <string.h>

#include "update/plan.h"

static bool same(const struct entry_decoded *a, const struct entry_decoded *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static void decode(const struct entry_format *fmt, const uint64_t *entry, struct entry_decoded *out)
{
	memset(out, 0, sizeof(*out));
	fmt->decode(fmt->arg, entry, out);
}

struct verify {
	const struct entry_format *fmt;
	unsigned int caps;
	unsigned int step; /* now */
	struct plan_violation *bad;
	struct entry_decoded ok[4]; /* what a mixture may decode to: old, new; with a gap: not present */
	unsigned int n_ok;
	unsigned int first, last; /* states of the window */
	uint64_t state[PLAN_STEPS_MAX + 1][ENTRY_WORDS_MAX];
};

static int violation(struct verify *v, const uint64_t *entry, const char *what)
{
	v->bad->step = v->step;
	memset(v->bad->entry, 0, sizeof(v->bad->entry));
	memcpy(v->bad->entry, entry, v->fmt->words * sizeof(entry[0]));
	v->bad->what = what;
	return -EINVAL;
}

static bool present(const struct verify *v, const uint64_t *entry)
{
	return entry[v->fmt->present_word] & v->fmt->present_bit;
}

static const uint64_t *group_at(const struct verify *v, unsigned int state, unsigned int group)
{
	return v->state[state] + (size_t)group * v->fmt->fetch_words;
}

static bool group_same(const struct verify *v, unsigned int a, unsigned int b, unsigned int group)
{
	return !memcmp(group_at(v, a, group), group_at(v, b, group), v->fmt->fetch_words * sizeof(uint64_t));
}

static int judge(struct verify *v, const uint64_t *mixture)
{
	struct entry_decoded d;

	decode(v->fmt, mixture, &d);
	for (unsigned int i = 0; i < v->n_ok; i++)
		if (same(&d, &v->ok[i]))
			return 0;
	return violation(v, mixture, "a mixture is neither the old nor the new entry");
}

/*
 * All mixtures in which the groups in @fixed are those of state @at and the other
 * groups are those of any state from @from to the last.
 */
static int mixtures(struct verify *v, unsigned int fixed, unsigned int at, unsigned int from)
{
	unsigned int groups = v->fmt->words / v->fmt->fetch_words, g = 0;
	unsigned int pick[ENTRY_WORDS_MAX];
	uint64_t mixture[ENTRY_WORDS_MAX];
	int err;

	for (unsigned int i = 0; i < groups; i++)
		pick[i] = fixed & 1u << i ? at : from;
	for (;;) {
		for (unsigned int i = 0; i < groups; i++)
			memcpy(mixture + (size_t)i * v->fmt->fetch_words, group_at(v, pick[i], i),
			       v->fmt->fetch_words * sizeof(uint64_t));
		err = judge(v, mixture);
		if (err)
			return err;
		/* The next one, as an odometer; a group that did not change between two states does not
		 * count. */
		for (g = 0; g < groups; g++) {
			if (fixed & 1u << g)
				continue;
			while (pick[g] < v->last && group_same(v, pick[g], pick[g] + 1, g))
				pick[g]++;
			if (pick[g] < v->last) {
				pick[g]++;
				break;
			}
			pick[g] = from;
		}
		if (g == groups)
			return 0;
	}
}

/* Everything that could be fetched in the window up to now. */
static int judge_window(struct verify *v)
{
	unsigned int present_group = v->fmt->present_word / v->fmt->fetch_words;
	int err;

	if (v->caps & PLAN_ANY_ORDER)
		return mixtures(v, 0, v->first, v->first);
	for (unsigned int t = v->first; t <= v->last; t++) {
		err = mixtures(v, 1u << present_group, t, t);
		if (err)
			return err;
	}
	return 0;
}

/* What a present entry's fetch may have seen in the last window is the final entry (invariant 2 of plan.h).
 */
static int judge_end(struct verify *v)
{
	unsigned int groups = v->fmt->words / v->fmt->fetch_words;
	unsigned int pg = v->fmt->present_word / v->fmt->fetch_words;
	bool any = v->caps & PLAN_ANY_ORDER, seen = any;

	for (unsigned int t = v->first; t < v->last; t++) {
		/* In order: other groups count from the moment at which the entry can be seen present. */
		seen = seen || present(v, v->state[t]);
		for (unsigned int g = 0; g < groups; g++)
			if (!group_same(v, t, v->last, g) && (g == pg ? present(v, v->state[t]) : seen))
				return violation(v, v->state[t],
						 "a fetch or copy of this may outlive the plan");
	}
	return 0;
}

static int apply(struct verify *v, const struct plan_step *s)
{
	const uint64_t *old = v->state[v->last];
	unsigned int n = s->op == PLAN_STORE128_OP ? 2 : 1;
	uint64_t *next;

	if (s->op == PLAN_STORE128_OP && (!(v->caps & PLAN_STORE128) || s->at % 2))
		return violation(v, old, "no such 16-byte store");
	if (s->at >= v->fmt->words || s->at + n > v->fmt->words)
		return violation(v, old, "a store outside of the entry");
	next = v->state[++v->last];
	memcpy(next, old, sizeof(v->state[0]));
	memcpy(next + s->at, s->val, n * sizeof(uint64_t));
	return judge_window(v);
}

static void allow(struct verify *v, const uint64_t *entry, bool absent)
{
	uint64_t e[ENTRY_WORDS_MAX] = { 0 };

	memcpy(e, entry, v->fmt->words * sizeof(entry[0]));
	if (absent)
		e[v->fmt->present_word] &= ~v->fmt->present_bit;
	decode(v->fmt, e, &v->ok[v->n_ok++]);
}

int plan_verify(const struct entry_format *fmt, unsigned int caps, const uint64_t *cur,
		const uint64_t *target, const struct plan *plan, struct plan_violation *bad)
{
	struct verify v = { .fmt = fmt, .caps = caps, .bad = bad };
	unsigned int stores = 0, syncs = 0;
	struct entry_decoded last;
	int err;

	memcpy(v.state[0], cur, fmt->words * sizeof(cur[0]));
	allow(&v, cur, false);
	allow(&v, target, false);
	if (plan->gap == UIOMMU_GAP_BLOCKED) {
		allow(&v, cur, true);
		allow(&v, target, true);
	}
	if (plan->n > PLAN_STEPS_MAX)
		return violation(&v, cur, "too many steps");
	for (v.step = 0; v.step < plan->n; v.step++) {
		if (plan->step[v.step].op == PLAN_SYNC) {
			v.first = v.last;
			syncs++;
			continue;
		}
		err = apply(&v, &plan->step[v.step]);
		if (err)
			return err;
		stores++;
	}
	decode(fmt, v.state[v.last], &last);
	if (!same(&last, &v.ok[1]))
		return violation(&v, v.state[v.last], "the last state is not the new entry");
	err = judge_end(&v);
	if (err)
		return err;
	if (stores != plan->stores || syncs != plan->syncs)
		return violation(&v, v.state[v.last], "the counts of stores and syncs are wrong");
	return 0;
}

struct derive {
	const struct entry_format *fmt;
	const uint64_t *entry;
	struct entry_used *used;
	struct entry_decoded base;
};

static bool differs(const struct derive *dv, const uint64_t *entry)
{
	struct entry_decoded d;

	decode(dv->fmt, entry, &d);
	return !same(&d, &dv->base);
}

/* @entry decodes differently: shrinks it to a smallest set of changed bits that does, and marks these. */
static void shrink(struct derive *dv, uint64_t *entry)
{
	for (unsigned int i = 0; i < dv->fmt->words; i++) {
		for (uint64_t left = entry[i] ^ dv->entry[i]; left; left &= left - 1) {
			uint64_t bit = left & -left;

			entry[i] ^= bit;
			if (!differs(dv, entry))
				entry[i] ^= bit;
		}
	}
	for (unsigned int i = 0; i < dv->fmt->words; i++)
		dv->used->mask[i] |= entry[i] ^ dv->entry[i];
}

/*
 * Sets the bits that seem ignored to pattern number @p: bit k of the entry becomes
 * bit p / 2 of k, or its complement. Any two bits differ in one bit of their
 * numbers, so they take the values 01 and 10; the last two patterns give 00 and 11.
 */
static void set_pattern(const struct derive *dv, unsigned int p, unsigned int index_bits, uint64_t *entry)
{
	for (unsigned int i = 0; i < dv->fmt->words; i++) {
		uint64_t word = 0;

		for (unsigned int b = 0; b < 64; b++) {
			uint64_t one = p / 2 < index_bits ? (i * 64 + b) >> p / 2 & 1 : 1;

			word |= (one ^ (p & 1)) << b;
		}
		entry[i] = (dv->entry[i] & dv->used->mask[i]) | (word & ~dv->used->mask[i]);
	}
}

void plan_derive_used(const struct entry_format *fmt, const uint64_t *entry, struct entry_used *used)
{
	unsigned int index_bits = 6 + (unsigned int)__builtin_ctz(fmt->words);
	struct derive dv = { .fmt = fmt, .entry = entry, .used = used };
	uint64_t e[ENTRY_WORDS_MAX];

	memset(used, 0, sizeof(*used));
	used->mask[fmt->present_word] = fmt->present_bit;
	decode(fmt, entry, &dv.base);
	memcpy(e, entry, fmt->words * sizeof(e[0]));
	for (unsigned int i = 0; i < fmt->words; i++) {
		for (unsigned int b = 0; b < 64; b++) {
			e[i] ^= UINT64_C(1) << b;
			if (differs(&dv, e))
				used->mask[i] |= UINT64_C(1) << b;
			e[i] ^= UINT64_C(1) << b;
		}
	}
	for (unsigned int p = 0; p < 2 * index_bits + 2; p++) {
		set_pattern(&dv, p, index_bits, e);
		/* Each turn marks at least one more bit. */
		while (differs(&dv, e)) {
			shrink(&dv, e);
			set_pattern(&dv, p, index_bits, e);
		}
	}
}
