/* SPDX-License-Identifier: MIT */
/*
 * The planner on VT-d's entries, judged by VT-d's decoders: every ordered pair of
 * kinds, with and without 16-byte stores, in both read orders; how many stores and
 * syncs each takes; and the used bits against a list typed by hand.
 */
#include "hw/vtd/decode.h"

#include "update/util.h"

static const struct vtd_caps vtd = {
	.cap = 6 | VTD_CAP_FS5LP | 14 << 8, /* ND: 16-bit domain ids; SAGAW: 3, 4 and 5 levels */
	.ecap = VTD_ECAP_SMTS | VTD_ECAP_SSTS | VTD_ECAP_FSTS | VTD_ECAP_PT,
	.haw = 46,
};

#define ADDR FIELD(45, 12)

static void decode_pasid(const void *arg, const uint64_t *entry, struct entry_decoded *out)
{
	struct vtd_pasid d;

	out->word[0] = vtd_decode_pasid(arg, entry, &d);
	_Static_assert(sizeof(d) <= sizeof(out->word) - 8, "a decoded PASID entry fits");
	memcpy(out->word + 1, &d, sizeof(d));
}

static void decode_context(const void *arg, const uint64_t *entry, struct entry_decoded *out)
{
	struct vtd_context d;

	out->word[0] = vtd_decode_context(arg, entry, &d);
	_Static_assert(sizeof(d) <= sizeof(out->word) - 8, "a decoded context entry fits");
	memcpy(out->word + 1, &d, sizeof(d));
}

static const struct entry_format pasid_format = {
	.name = "VT-d PASID entry",
	.words = VTD_PE_WORDS,
	.fetch_words = 2,
	.present_bit = VTD_PE0_P,
	.decode = decode_pasid,
	.arg = &vtd,
	.apart_reason = "apart",
	.store_reason = "store",
};

static const struct entry_format context_format = {
	.name = "VT-d context entry",
	.words = 2,
	.fetch_words = 2,
	.present_bit = VTD_CE0_P,
	.decode = decode_context,
	.arg = &vtd,
};

enum kind { BLOCKED, IDENTITY, SECOND, FIRST, KINDS };

static void pasid_entry(enum kind kind, uint64_t did, uint64_t table, unsigned int levels, uint64_t *e)
{
	static const uint64_t pgtt[] = { 0, VTD_PGTT_PASS, VTD_PGTT_SECOND, VTD_PGTT_FIRST };

	memset(e, 0, VTD_PE_WORDS * sizeof(*e));
	if (kind == BLOCKED)
		return;
	e[0] = VTD_PE0_P | field_put(VTD_PE0_PGTT, pgtt[kind]);
	e[1] = field_put(VTD_PE1_DID, did);
	if (kind == SECOND)
		e[0] |= field_put(VTD_PE0_AW, VTD_AW_OF_LEVELS(levels)) | (table & ADDR);
	if (kind == FIRST)
		e[2] = field_put(VTD_PE2_FSPM, levels == 5) | (table & ADDR);
}

static void context_entry(enum kind kind, uint64_t did, uint64_t table, unsigned int levels, uint64_t *e)
{
	memset(e, 0, 2 * sizeof(*e));
	if (kind == BLOCKED)
		return;
	e[0] = VTD_CE0_P | field_put(VTD_CE0_TT, kind == IDENTITY ? VTD_TT_PASS : VTD_TT_UNTRANSLATED);
	e[1] = field_put(VTD_CE1_DID, did) | field_put(VTD_CE1_AW, VTD_AW_OF_LEVELS(levels));
	if (kind == SECOND)
		e[0] |= table & ADDR;
}

/* A format with its kinds: an entry of each, and the masks of each as a driver derives them. */
struct house {
	const struct entry_format *fmt;
	void (*make)(enum kind kind, uint64_t did, uint64_t table, unsigned int levels, uint64_t *e);
	enum kind kinds;
	struct entry_used used[KINDS];
};

static void derive(struct house *h)
{
	for (enum kind k = BLOCKED; k < h->kinds; k++) {
		/* A bit of AW may be ignored beside one value of the others and not beside another. */
		for (unsigned int levels = 3; levels <= 5; levels++) {
			uint64_t e[ENTRY_WORDS_MAX];
			struct entry_used used;

			h->make(k, 5, UINT64_C(0x12345000), levels, e);
			plan_derive_used(h->fmt, e, &used);
			for (unsigned int i = 0; i < ENTRY_WORDS_MAX; i++)
				h->used[k].mask[i] |= used.mask[i];
		}
	}
}

static struct house pasids(void)
{
	struct house h = { .fmt = &pasid_format, .make = pasid_entry, .kinds = KINDS };

	derive(&h);
	return h;
}

static struct house contexts(void)
{
	struct house h = { .fmt = &context_format, .make = context_entry, .kinds = FIRST };

	derive(&h);
	return h;
}

static void used_bits_of_pasid_entries(void **state)
{
	const uint64_t e2_always = ~(ADDR | VTD_PE2_FSPM | VTD_PE2_WPE | VTD_PE2_IGN);
	struct house h = pasids();

	/* Reserved bits count as used. Pass-through and first stage: AW and the second-stage pointer are
	 * free. */
	assert_int_equal(h.used[BLOCKED].mask[0], VTD_PE0_P | VTD_PE0_FPD);
	for (unsigned int i = 1; i < VTD_PE_WORDS; i++)
		assert_int_equal(h.used[BLOCKED].mask[i], 0);
	assert_int_equal(h.used[IDENTITY].mask[0], ~(ADDR | VTD_PE0_AW));
	assert_int_equal(h.used[SECOND].mask[0], ~UINT64_C(0));
	assert_int_equal(h.used[FIRST].mask[0], ~(ADDR | VTD_PE0_AW));
	assert_int_equal(h.used[IDENTITY].mask[2], e2_always);
	assert_int_equal(h.used[SECOND].mask[2], e2_always);
	assert_int_equal(h.used[FIRST].mask[2], ~VTD_PE2_IGN);
	for (enum kind k = IDENTITY; k < KINDS; k++) {
		/* without ECAP.MTS, SC and SMPWCS word 1 is domain id and reserved bits */
		assert_int_equal(h.used[k].mask[1], ~UINT64_C(0));
		for (unsigned int i = 3; i < VTD_PE_WORDS; i++)
			assert_int_equal(h.used[k].mask[i], ~UINT64_C(0));
	}
}

static void used_bits_of_context_entries(void **state)
{
	struct house h = contexts();

	assert_int_equal(h.used[BLOCKED].mask[0], VTD_CE0_P | VTD_CE0_FPD);
	assert_int_equal(h.used[BLOCKED].mask[1], 0);
	assert_int_equal(h.used[IDENTITY].mask[0], ~VTD_CE0_SSPTPTR);
	assert_int_equal(h.used[SECOND].mask[0], ~UINT64_C(0));
	assert_int_equal(h.used[IDENTITY].mask[1], ~VTD_CE1_IGN);
	assert_int_equal(h.used[SECOND].mask[1], ~VTD_CE1_IGN);
}

static void random_of_kind(const struct house *h, enum kind k, uint64_t *seed, uint64_t *e)
{
	h->make(k, rnd(seed) % 4 ? rnd(seed) & 0xffff : 7, rnd(seed), 3 + (unsigned int)(rnd(seed) % 3), e);
	if (k == IDENTITY && h->fmt == &pasid_format && rnd(seed) % 2)
		/* What pass-through ignores may hold anything. */
		e[2] = rnd(seed) & (ADDR | VTD_PE2_FSPM | VTD_PE2_WPE);
	if (k == FIRST && rnd(seed) % 2)
		e[0] |= rnd(seed) & (ADDR | VTD_PE0_AW);
	if (k == BLOCKED && rnd(seed) % 2)
		/* Hardware reads P and FPD alone of it. */
		for (unsigned int i = 0; i < h->fmt->words; i++)
			e[i] = rnd(seed) & ~(i ? 0 : VTD_PE0_P);
	else if (rnd(seed) % 8 == 0)
		e[0] |= VTD_PE0_FPD;
}

static void pairs_hold(const struct house *h, uint64_t *seed)
{
	for (unsigned int n = 0; n < 4000; n++) {
		enum kind a = (enum kind)(rnd(seed) % h->kinds), b = (enum kind)(rnd(seed) % h->kinds);
		uint64_t cur[ENTRY_WORDS_MAX], target[ENTRY_WORDS_MAX];
		unsigned int caps = n % 4;
		struct plan plan;

		random_of_kind(h, a, seed, cur);
		random_of_kind(h, b, seed, target);
		if (n % 64 == 0)
			memcpy(target, cur, sizeof(target));
		plan_make(h->fmt, caps, cur, &h->used[a], target, &h->used[b], &plan);
		plan_must_hold(h->fmt, caps, cur, target, &plan, "random pair of kinds");
		if (a == BLOCKED || b == BLOCKED)
			assert_int_equal(plan.gap, UIOMMU_GAP_NONE);
		plan_clear(h->fmt, caps, cur, &plan);
		if (!(cur[0] & VTD_PE0_FPD)) {
			memset(target, 0, sizeof(target));
			plan_must_hold(h->fmt, caps, cur, target, &plan, "clear");
		}
	}
}

static void pairs_of_pasid_entries(void **state)
{
	struct house h = pasids();
	uint64_t seed = test_seed();

	pairs_hold(&h, &seed);
}

static void pairs_of_context_entries(void **state)
{
	struct house h = contexts();
	uint64_t seed = test_seed() + 1;

	pairs_hold(&h, &seed);
}

/* Any words without reserved bits, also such that fault; masks of the very entries. */
static void fuzzed_entries(void **state)
{
	static const uint64_t legal[VTD_PE_WORDS] = {
		VTD_PE0_P | VTD_PE0_FPD | VTD_PE0_AW | VTD_PE0_PGTT | ADDR,
		VTD_PE1_DID,
		VTD_PE2_FSPM | VTD_PE2_WPE | VTD_PE2_IGN | ADDR,
	};
	uint64_t seed = test_seed() + 2;
	unsigned int gapless = 0;

	for (unsigned int n = 0; n < 1500; n++) {
		uint64_t cur[ENTRY_WORDS_MAX], target[ENTRY_WORDS_MAX];
		struct entry_used uc, ut;
		unsigned int caps = n % 4;
		struct plan plan;

		for (unsigned int i = 0; i < VTD_PE_WORDS; i++) {
			cur[i] = rnd(&seed) & legal[i];
			target[i] = rnd(&seed) % 2 ? cur[i] : rnd(&seed) & legal[i];
		}
		if (rnd(&seed) % 4) {
			cur[0] |= VTD_PE0_P;
			target[0] |= VTD_PE0_P;
		}
		plan_derive_used(&pasid_format, cur, &uc);
		plan_derive_used(&pasid_format, target, &ut);
		plan_make(&pasid_format, caps, cur, &uc, target, &ut, &plan);
		plan_must_hold(&pasid_format, caps, cur, target, &plan, "fuzzed");
		gapless += plan.gap == UIOMMU_GAP_NONE;
	}
	assert_in_range(gapless, 500, 1499);
}

struct expectation {
	enum kind from, to;
	bool same_id;
	enum uiommu_strategy strategy;
	unsigned int stores, syncs;
	enum uiommu_gap best; /* BLOCKED or NONE; the gap itself follows from the strategy */
};

#define SINGLE UIOMMU_STRATEGY_SINGLE_STORE
#define STEPS UIOMMU_STRATEGY_USED_BITS
#define BREAK UIOMMU_STRATEGY_BREAK
#define NONE UIOMMU_GAP_NONE
#define GAP UIOMMU_GAP_BLOCKED

static void expect(const struct house *h, unsigned int caps, const struct expectation *x, size_t n)
{
	for (; n; n--, x++) {
		uint64_t cur[ENTRY_WORDS_MAX], target[ENTRY_WORDS_MAX];
		struct plan plan;

		h->make(x->from, 5, UINT64_C(0x11111000), 4, cur);
		h->make(x->to, x->same_id ? 5 : 6, UINT64_C(0x22222000), 4, target);
		plan_make(h->fmt, caps, cur, &h->used[x->from], target, &h->used[x->to], &plan);
		plan_must_hold(h->fmt, caps, cur, target, &plan, "expected pair");
		if (plan.strategy != x->strategy || plan.stores != x->stores || plan.syncs != x->syncs ||
		    plan.best_gap != x->best || plan.gap != (x->strategy == BREAK ? GAP : NONE) ||
		    !plan.reason != (plan.gap == NONE)) {
			print_error("%s: %d to %d%s, caps %u\n", h->fmt->name, (int)x->from, (int)x->to,
				    x->same_id ? ", same id" : "", caps);
			plan_print(&plan);
			fail();
		}
	}
}

#define EXPECT(h, caps, table) expect(h, caps, table, sizeof(table) / sizeof((table)[0]))

static const struct expectation pasid_128[] = {
	{ BLOCKED, IDENTITY, false, SINGLE, 1, 0, NONE },
	{ BLOCKED, SECOND, false, SINGLE, 1, 0, NONE },
	{ BLOCKED, FIRST, false, STEPS, 2, 0, NONE },
	{ IDENTITY, BLOCKED, false, SINGLE, 2, 1, NONE },
	{ SECOND, BLOCKED, false, SINGLE, 2, 1, NONE },
	{ FIRST, BLOCKED, false, STEPS, 3, 1, NONE },
	{ IDENTITY, SECOND, false, SINGLE, 1, 1, NONE },
	{ SECOND, IDENTITY, false, SINGLE, 1, 1, NONE },
	{ SECOND, SECOND, false, SINGLE, 1, 1, NONE },
	{ SECOND, SECOND, true, SINGLE, 1, 1, NONE },
	{ IDENTITY, FIRST, false, STEPS, 2, 2, NONE },
	{ FIRST, IDENTITY, false, STEPS, 2, 2, NONE },
	{ SECOND, FIRST, false, STEPS, 2, 2, NONE },
	{ FIRST, SECOND, false, STEPS, 2, 2, NONE },
	{ FIRST, FIRST, false, BREAK, 3, 1, GAP },
	{ FIRST, FIRST, true, SINGLE, 1, 1, NONE },
	{ IDENTITY, IDENTITY, true, UIOMMU_STRATEGY_NOTHING, 0, 0, NONE },
};

static const struct expectation pasid_64[] = {
	{ BLOCKED, IDENTITY, false, STEPS, 2, 0, NONE }, { BLOCKED, SECOND, false, STEPS, 2, 0, NONE },
	{ BLOCKED, FIRST, false, STEPS, 3, 0, NONE },	 { IDENTITY, BLOCKED, false, STEPS, 3, 1, NONE },
	{ SECOND, BLOCKED, false, STEPS, 3, 1, NONE },	 { FIRST, BLOCKED, false, STEPS, 4, 1, NONE },
	{ IDENTITY, SECOND, false, BREAK, 3, 1, NONE },	 { SECOND, IDENTITY, false, BREAK, 3, 1, NONE },
	{ SECOND, SECOND, false, BREAK, 3, 1, NONE },	 { SECOND, SECOND, true, SINGLE, 1, 1, NONE },
	{ IDENTITY, SECOND, true, SINGLE, 1, 1, NONE },	 { SECOND, IDENTITY, true, SINGLE, 1, 1, NONE },
	{ IDENTITY, FIRST, false, BREAK, 4, 1, NONE },	 { FIRST, IDENTITY, false, BREAK, 4, 1, NONE },
	{ IDENTITY, FIRST, true, STEPS, 2, 2, NONE },	 { FIRST, IDENTITY, true, STEPS, 2, 2, NONE },
	{ FIRST, FIRST, false, BREAK, 4, 1, GAP },	 { FIRST, FIRST, true, SINGLE, 1, 1, NONE },
};

/* Where the order of reads is not promised; what is missing is as with 16-byte stores. */
static const struct expectation pasid_any[] = {
	{ BLOCKED, SECOND, false, SINGLE, 1, 0, NONE },	 { BLOCKED, FIRST, false, STEPS, 2, 1, NONE },
	{ SECOND, BLOCKED, false, SINGLE, 2, 1, NONE },	 { FIRST, BLOCKED, false, STEPS, 3, 2, NONE },
	{ IDENTITY, SECOND, false, SINGLE, 1, 1, NONE }, { SECOND, SECOND, false, SINGLE, 1, 1, NONE },
	{ IDENTITY, FIRST, false, STEPS, 2, 2, NONE },	 { FIRST, SECOND, false, STEPS, 2, 2, NONE },
	{ FIRST, FIRST, false, BREAK, 3, 2, GAP },
};

/* What is fetched at once with the critical word needs no sync of its own. */
static const struct expectation pasid_64_any[] = {
	{ BLOCKED, SECOND, false, STEPS, 2, 0, NONE },
	{ BLOCKED, FIRST, false, STEPS, 3, 1, NONE },
	{ SECOND, BLOCKED, false, STEPS, 3, 1, NONE },
	{ SECOND, SECOND, false, BREAK, 3, 1, NONE },
};

static const struct expectation context_128[] = {
	{ BLOCKED, IDENTITY, false, SINGLE, 1, 0, NONE }, { BLOCKED, SECOND, false, SINGLE, 1, 0, NONE },
	{ IDENTITY, BLOCKED, false, SINGLE, 2, 1, NONE }, { SECOND, BLOCKED, false, SINGLE, 2, 1, NONE },
	{ IDENTITY, SECOND, false, SINGLE, 1, 1, NONE },  { SECOND, IDENTITY, false, SINGLE, 1, 1, NONE },
	{ SECOND, SECOND, false, SINGLE, 1, 1, NONE },
};

static const struct expectation context_64[] = {
	{ BLOCKED, SECOND, false, STEPS, 2, 0, NONE },	{ SECOND, BLOCKED, false, STEPS, 3, 1, NONE },
	{ IDENTITY, SECOND, false, BREAK, 3, 1, NONE }, { SECOND, IDENTITY, false, BREAK, 3, 1, NONE },
	{ SECOND, SECOND, false, BREAK, 3, 1, NONE },	{ SECOND, SECOND, true, SINGLE, 1, 1, NONE },
};

static void costs_of_pasid_entries(void **state)
{
	struct house h = pasids();

	EXPECT(&h, PLAN_STORE128, pasid_128);
	EXPECT(&h, 0, pasid_64);
	EXPECT(&h, PLAN_STORE128 | PLAN_ANY_ORDER, pasid_any);
	EXPECT(&h, PLAN_ANY_ORDER, pasid_64_any);
}

static void costs_of_context_entries(void **state)
{
	struct house h = contexts();

	EXPECT(&h, PLAN_STORE128, context_128);
	EXPECT(&h, PLAN_STORE128 | PLAN_ANY_ORDER, context_128);
	EXPECT(&h, 0, context_64);
}

/* The reason is the format's own where it has one, and names what is really missing. */
static void reasons(void **state)
{
	struct house p = pasids(), c = contexts();
	uint64_t a[ENTRY_WORDS_MAX], b[ENTRY_WORDS_MAX];
	struct plan plan;

	pasid_entry(FIRST, 1, 0x1000, 4, a);
	pasid_entry(FIRST, 2, 0x2000, 4, b);
	plan_make(p.fmt, 0, a, &p.used[FIRST], b, &p.used[FIRST], &plan);
	assert_string_equal(plan.reason, "apart");
	pasid_entry(SECOND, 1, 0x1000, 4, a);
	pasid_entry(SECOND, 2, 0x2000, 4, b);
	plan_make(p.fmt, 0, a, &p.used[SECOND], b, &p.used[SECOND], &plan);
	assert_string_equal(plan.reason, "store");
	context_entry(SECOND, 1, 0x1000, 4, a);
	context_entry(SECOND, 2, 0x2000, 4, b);
	plan_make(c.fmt, 0, a, &c.used[SECOND], b, &c.used[SECOND], &plan);
	assert_non_null(strstr(plan.reason, "no 16-byte store"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(used_bits_of_pasid_entries),
		cmocka_unit_test(used_bits_of_context_entries),
		cmocka_unit_test(costs_of_pasid_entries),
		cmocka_unit_test(costs_of_context_entries),
		cmocka_unit_test(pairs_of_pasid_entries),
		cmocka_unit_test(pairs_of_context_entries),
		cmocka_unit_test(fuzzed_entries),
		cmocka_unit_test(reasons),
	};

	return cmocka_run_group_tests_name("update.plan_vtd", tests, NULL, NULL);
}
