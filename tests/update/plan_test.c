/* SPDX-License-Identifier: MIT */
/*
 * The planner and its verifier on made-up formats: random ones, where a kind is a
 * mask of used bits, and a small one with two pointers and an id, on which wrong
 * plans are planted.
 */
#include "update/plan.h"

#include <errno.h>

#include "update/util.h"

/* A random format: word 0 has the present bit and two bits of kind; kind k uses the bits of mask[k]. */
struct random_format {
	struct entry_format fmt;
	uint64_t mask[5][ENTRY_WORDS_MAX]; /* [4]: not present */
	unsigned int kind_word;
};

#define KIND_SHIFT 1

static unsigned int random_kind(const struct random_format *rf, const uint64_t *entry)
{
	if (!(entry[rf->fmt.present_word] & rf->fmt.present_bit))
		return 4;
	return entry[rf->kind_word] >> KIND_SHIFT & 3;
}

static void random_decode(const void *arg, const uint64_t *entry, struct entry_decoded *out)
{
	const struct random_format *rf = arg;
	const uint64_t *mask = rf->mask[random_kind(rf, entry)];

	for (unsigned int i = 0; i < rf->fmt.words; i++)
		out->word[i] = entry[i] & mask[i];
}

static void random_format(struct random_format *rf, uint64_t *seed)
{
	memset(rf, 0, sizeof(*rf));
	rf->fmt.name = "random";
	rf->fmt.words = 1u << rnd(seed) % 4;
	rf->fmt.fetch_words = 1u << rnd(seed) % 3;
	if (rf->fmt.fetch_words > rf->fmt.words)
		rf->fmt.fetch_words = rf->fmt.words;
	rf->fmt.present_word = (unsigned int)(rnd(seed) % rf->fmt.words);
	rf->fmt.present_bit = rnd(seed) % 2 ? 1 : UINT64_C(1) << 63;
	rf->fmt.decode = random_decode;
	rf->fmt.arg = rf;
	/* The kind beside the present bit, and sometimes elsewhere. */
	rf->kind_word = rnd(seed) % 4 ? rf->fmt.present_word : (unsigned int)(rnd(seed) % rf->fmt.words);
	for (unsigned int k = 0; k < 4; k++) {
		for (unsigned int i = 0; i < rf->fmt.words; i++)
			if (rnd(seed) % 3 == 0)
				rf->mask[k][i] = rnd(seed) & rnd(seed);
		rf->mask[k][rf->kind_word] |= 3 << KIND_SHIFT;
		rf->mask[k][rf->fmt.present_word] |= rf->fmt.present_bit;
	}
	rf->mask[4][rf->fmt.present_word] = rf->fmt.present_bit;
	/* As VT-d's FPD, which counts in an entry that is not present; in the present bit's fetch group. */
	if (rnd(seed) % 2)
		rf->mask[4][rf->fmt.present_word ^ rnd(seed) % rf->fmt.fetch_words] |= 0x10;
}

/* Mostly few bits that differ from @near, so that all strategies are met. */
static void random_entry(const struct random_format *rf, const uint64_t *near, uint64_t *entry,
			 uint64_t *seed)
{
	for (unsigned int i = 0; i < rf->fmt.words; i++) {
		uint64_t change = rnd(seed) % 3 ? 0 : rnd(seed) & rnd(seed) & rnd(seed);

		entry[i] = near ? near[i] ^ change : rnd(seed);
	}
	if (rnd(seed) % 4 == 0)
		entry[rf->fmt.present_word] &= ~rf->fmt.present_bit;
	else
		entry[rf->fmt.present_word] |= rf->fmt.present_bit;
	if (rnd(seed) % 2)
		entry[rf->kind_word] ^= (rnd(seed) & 3) << KIND_SHIFT;
}

/* Naive count of store granules in which bits differ that are in both masks (or in either). */
static unsigned int granules(const struct entry_format *fmt, unsigned int size, const uint64_t *a,
			     const uint64_t *b, const uint64_t *ma, const uint64_t *mb, bool either)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < fmt->words; i += size) {
		bool hit = false;

		for (unsigned int j = i; j < i + size && j < fmt->words; j++)
			hit |= ((a[j] ^ b[j]) & (either ? ma[j] | mb[j] : ma[j] & mb[j])) != 0;
		n += hit;
	}
	return n;
}

static unsigned int granule_size(const struct entry_format *fmt, unsigned int caps)
{
	return (caps & PLAN_STORE128) && fmt->fetch_words > 1 ? 2 : 1;
}

struct seen {
	unsigned int nothing, single, used, broken;
};

static void check_random_pair(const struct random_format *rf, const uint64_t *cur, const uint64_t *target,
			      unsigned int caps, struct seen *seen)
{
	const struct entry_format *fmt = &rf->fmt;
	const uint64_t *mc = rf->mask[random_kind(rf, cur)], *mt = rf->mask[random_kind(rf, target)];
	unsigned int size = granule_size(fmt, caps);
	unsigned int both = granules(fmt, size, cur, target, mc, mt, false);
	unsigned int either = granules(fmt, size, cur, target, mc, mt, true);
	struct entry_used uc = { { 0 } }, ut = { { 0 } };
	struct plan plan;

	memcpy(uc.mask, mc, sizeof(uc.mask));
	memcpy(ut.mask, mt, sizeof(ut.mask));
	memset(&plan, 0xa5, sizeof(plan));
	plan_make(fmt, caps, cur, &uc, target, &ut, &plan);
	plan_must_hold(fmt, caps, cur, target, &plan, "random pair");
	/* A plan for present entries holds in any order (invariant 1). */
	if (random_kind(rf, cur) != 4 && random_kind(rf, target) != 4 && plan.gap == UIOMMU_GAP_NONE)
		plan_must_hold(fmt, caps | PLAN_ANY_ORDER, cur, target, &plan, "in any order");
	for (unsigned int i = 0; i < plan.n; i++)
		assert_non_null(plan.step[i].why);
	if (!memcmp(cur, target, fmt->words * sizeof(*cur))) {
		assert_int_equal(plan.strategy, UIOMMU_STRATEGY_NOTHING);
		assert_int_equal(plan.n, 0);
		seen->nothing++;
	} else if (both > 1) {
		assert_int_equal(plan.strategy, UIOMMU_STRATEGY_BREAK);
		assert_int_equal(plan.gap, UIOMMU_GAP_BLOCKED);
		assert_non_null(plan.reason);
		assert_int_equal(plan.best_gap,
				 fmt->fetch_words > 1 && granules(fmt, 2, cur, target, mc, mt, false) == 1
					 ? UIOMMU_GAP_NONE
					 : UIOMMU_GAP_BLOCKED);
		seen->broken++;
	} else {
		assert_int_equal(plan.strategy,
				 either > 1 ? UIOMMU_STRATEGY_USED_BITS : UIOMMU_STRATEGY_SINGLE_STORE);
		assert_int_equal(plan.gap, UIOMMU_GAP_NONE);
		assert_int_equal(plan.best_gap, UIOMMU_GAP_NONE);
		assert_null(plan.reason);
		seen->single += either <= 1;
		seen->used += either > 1;
	}
}

static void random_pairs(void **state)
{
	uint64_t seed = test_seed();
	struct random_format rf;
	struct seen seen = { 0 };

	for (unsigned int n = 0; n < 20000; n++) {
		uint64_t cur[ENTRY_WORDS_MAX], target[ENTRY_WORDS_MAX];

		if (n % 10 == 0)
			random_format(&rf, &seed);
		random_entry(&rf, NULL, cur, &seed);
		random_entry(&rf, rnd(&seed) % 4 ? cur : NULL, target, &seed);
		if (n % 100 == 0)
			memcpy(target, cur, sizeof(target));
		check_random_pair(&rf, cur, target, (unsigned int)rnd(&seed) % 4, &seen);
	}
	assert_true(seen.nothing > 100 && seen.single > 1000 && seen.used > 1000 && seen.broken > 1000);
}

#define CHAIN 5
#define CHAIN_STATES (CHAIN * PLAN_STEPS_MAX + 1)

/* The states that memory goes through while plans run one after the other. */
struct history {
	unsigned int n;
	uint64_t state[CHAIN_STATES][ENTRY_WORDS_MAX];
	unsigned int window[CHAIN_STATES]; /* state before this window's first store, ascending */
	unsigned int oldest[CHAIN_STATES]; /* the entry that this window begins with */
	unsigned int windows;
	unsigned int plan_of[CHAIN_STATES]; /* entry [plan_of] to [plan_of + 1] was being changed */
};

static void history_add(struct history *h, const struct plan *plan, unsigned int number)
{
	for (unsigned int i = 0; i < plan->n; i++) {
		struct plan one = { .n = 1 };

		one.step[0] = plan->step[i];
		if (one.step[0].op == PLAN_SYNC) {
			h->oldest[h->windows] = number + (i == plan->n - 1);
			h->window[h->windows++] = h->n - 1;
			continue;
		}
		memcpy(h->state[h->n], h->state[h->n - 1], sizeof(h->state[0]));
		plan_apply(&one, h->state[h->n]);
		h->plan_of[h->n++] = number;
	}
}

/* One fetch at random times within a random window, which may span several plans. */
static void history_fetch(const struct history *h, const struct random_format *rf, unsigned int caps,
			  uint64_t *seed, unsigned int *oldest, unsigned int *newest, uint64_t *mixture)
{
	unsigned int w = (unsigned int)(rnd(seed) % h->windows), fw = rf->fmt.fetch_words;
	unsigned int from = h->window[w], last = w + 1 < h->windows ? h->window[w + 1] : h->n - 1;
	unsigned int first = from + (unsigned int)(rnd(seed) % (last - from + 1)),
		     pg = rf->fmt.present_word / fw;

	*oldest = h->oldest[w];
	*newest = h->plan_of[last] + 1;
	for (unsigned int g = 0; g < rf->fmt.words / fw; g++) {
		unsigned int earliest = caps & PLAN_ANY_ORDER ? from : first;
		unsigned int t =
			g == pg ? first : earliest + (unsigned int)(rnd(seed) % (last - earliest + 1));

		memcpy(mixture + (size_t)g * fw, h->state[t] + (size_t)g * fw, fw * sizeof(*mixture));
	}
}

/* Plans follow one another without a sync between them: no fetch sees but one of the entries of its time. */
static void plans_in_a_row(void **state)
{
	uint64_t seed = test_seed() + 1;
	unsigned int spans = 0;

	for (unsigned int n = 0; n < 2000; n++) {
		uint64_t e[CHAIN + 1][ENTRY_WORDS_MAX] = { { 0 } }, mixture[ENTRY_WORDS_MAX];
		unsigned int caps = (unsigned int)rnd(&seed) % 4, oldest, newest;
		static struct history h;
		struct random_format rf;
		struct plan plan;

		random_format(&rf, &seed);
		random_entry(&rf, NULL, e[0], &seed);
		h.n = 1;
		h.windows = 1;
		h.window[0] = 0;
		h.oldest[0] = 0;
		h.plan_of[0] = 0;
		memcpy(h.state[0], e[0], sizeof(e[0]));
		for (unsigned int i = 0; i < CHAIN; i++) {
			struct entry_used uc, ut;

			/* Plans without a gap only, and often back to where it was. */
			do {
				random_entry(&rf, e[i - (i && rnd(&seed) % 2)], e[i + 1], &seed);
				memcpy(uc.mask, rf.mask[random_kind(&rf, e[i])], sizeof(uc.mask));
				memcpy(ut.mask, rf.mask[random_kind(&rf, e[i + 1])], sizeof(ut.mask));
				plan_make(&rf.fmt, caps, e[i], &uc, e[i + 1], &ut, &plan);
			} while (plan.gap != UIOMMU_GAP_NONE);
			history_add(&h, &plan, i);
		}
		for (unsigned int i = 0; i < 100; i++) {
			struct entry_decoded got = { { 0 } }, want = { { 0 } };
			bool ok = false;

			history_fetch(&h, &rf, caps, &seed, &oldest, &newest, mixture);
			random_decode(&rf, mixture, &got);
			for (unsigned int j = oldest; j <= newest && !ok; j++) {
				memset(&want, 0, sizeof(want));
				random_decode(&rf, e[j], &want);
				ok = !memcmp(&got, &want, sizeof(got));
			}
			spans += newest > oldest + 1;
			if (!ok) {
				print_error("UIOMMU_TEST_SEED=0x%llx turn %u caps %u\n",
					    (unsigned long long)test_seed(), n, caps);
				entry_print("seen", mixture, rf.fmt.words);
				fail();
			}
		}
	}
	assert_true(spans > 1000);
}

static void clear_random(void **state)
{
	uint64_t seed = test_seed() + 2;
	struct random_format rf;

	for (unsigned int n = 0; n < 3000; n++) {
		static const uint64_t zero[ENTRY_WORDS_MAX];
		uint64_t cur[ENTRY_WORDS_MAX];
		struct plan plan;
		unsigned int caps = (unsigned int)rnd(&seed) % 4;

		random_format(&rf, &seed);
		/* Fault flags of a not-present entry would make a third meaning of "clear the present bit
		 * alone". */
		memset(rf.mask[4], 0, sizeof(rf.mask[4]));
		rf.mask[4][rf.fmt.present_word] = rf.fmt.present_bit;
		random_entry(&rf, NULL, cur, &seed);
		plan_clear(&rf.fmt, caps, cur, &plan);
		plan_must_hold(&rf.fmt, caps, cur, zero, &plan, "clear");
		assert_in_range(plan.syncs, 1, caps & PLAN_ANY_ORDER ? 2 : 1);
		assert_int_equal(plan.gap, UIOMMU_GAP_NONE);
	}
}

/* Where the planner says that a gap is needed, no order of whole-granule stores does without. */
static void naive_orders_refused(void **state)
{
	uint64_t seed = test_seed() + 3;
	struct random_format rf;
	unsigned int tried = 0;

	for (unsigned int n = 0; n < 20000; n++) {
		uint64_t cur[ENTRY_WORDS_MAX], target[ENTRY_WORDS_MAX];
		unsigned int caps = (unsigned int)rnd(&seed) % 4, order[ENTRY_WORDS_MAX], m = 0, size;
		struct plan_violation bad;
		struct plan plan = { 0 };

		random_format(&rf, &seed);
		random_entry(&rf, NULL, cur, &seed);
		random_entry(&rf, cur, target, &seed);
		size = granule_size(&rf.fmt, caps);
		if (granules(&rf.fmt, size, cur, target, rf.mask[random_kind(&rf, cur)],
			     rf.mask[random_kind(&rf, target)], false) < 2)
			continue;
		for (unsigned int i = 0; i < rf.fmt.words; i += size)
			order[m++] = i;
		for (unsigned int i = m; i > 1; i--) {
			unsigned int j = (unsigned int)(rnd(&seed) % i), t = order[i - 1];

			order[i - 1] = order[j];
			order[j] = t;
		}
		for (unsigned int i = 0; i < m; i++) {
			struct plan_step *s = &plan.step[plan.n++];

			s->op = size == 2 ? PLAN_STORE128_OP : PLAN_STORE64;
			s->at = order[i];
			memcpy(s->val, target + order[i], size * sizeof(s->val[0]));
			plan.stores++;
			plan.step[plan.n++].op = PLAN_SYNC;
			plan.syncs++;
		}
		assert_int_equal(plan_verify(&rf.fmt, caps, cur, target, &plan, &bad), -EINVAL);
		tried++;
	}
	assert_true(tried > 300);
}

/* Masks of random formats are found again, wherever the entry lies. */
static void derive_random(void **state)
{
	uint64_t seed = test_seed() + 4;
	struct random_format rf;

	for (unsigned int n = 0; n < 300; n++) {
		uint64_t e[ENTRY_WORDS_MAX];
		struct entry_used used;

		random_format(&rf, &seed);
		random_entry(&rf, NULL, e, &seed);
		plan_derive_used(&rf.fmt, e, &used);
		assert_memory_equal(used.mask, rf.mask[random_kind(&rf, e)], sizeof(used.mask));
	}
}

/*
 * Bits 5 and 70 matter only when both are 1, bits 9 and 100 only when they differ,
 * bits 20 to 22 only as 111, bits 10 and 117, whose numbers have no digit in common, only as 11.
 */
static void joint_decode(const void *arg, const uint64_t *e, struct entry_decoded *out)
{
	out->word[0] = e[0] & 1;
	if (!(e[0] & 1))
		return;
	out->word[1] = e[0] >> 5 & e[1] >> 6 & 1;
	out->word[2] = (e[0] >> 9 ^ e[1] >> 36) & 1;
	out->word[3] = (e[0] >> 20 & 7) == 7;
	out->word[4] = e[0] >> 10 & e[1] >> 53 & 1;
}

static void derive_joint(void **state)
{
	static const struct entry_format fmt = {
		.name = "joint",
		.words = 2,
		.fetch_words = 1,
		.present_bit = 1,
		.decode = joint_decode,
	};
	static const uint64_t present[2] = { 1, 0 }, absent[2] = { 0, ~UINT64_C(0) };
	struct entry_used used;

	plan_derive_used(&fmt, present, &used);
	assert_int_equal(used.mask[0], 1 | 1 << 5 | 1 << 9 | 1 << 10 | 7 << 20);
	assert_int_equal(used.mask[1], UINT64_C(1) << 6 | UINT64_C(1) << 36 | UINT64_C(1) << 53);
	plan_derive_used(&fmt, absent, &used);
	assert_int_equal(used.mask[0], 1);
	assert_int_equal(used.mask[1], 0);
}

/*
 * The toy: 4 words, fetched by two. Word 0: present, kind (1 pass, 2 one table in
 * word 0, 3 one in word 2), table 2; word 1: id; word 2: table 3.
 */
#define TOY(kind, table) (UINT64_C(1) | (uint64_t)(kind) << 1 | (uint64_t)(table) << 12)

static void toy_decode(const void *arg, const uint64_t *e, struct entry_decoded *out)
{
	unsigned int kind = e[0] >> 1 & 3;

	out->word[0] = e[0] & 1;
	if (!(e[0] & 1))
		return;
	out->word[0] |= kind << 1;
	out->word[1] = e[1];
	if (kind == 2)
		out->word[2] = e[0] >> 12;
	if (kind == 3)
		out->word[3] = e[2];
}

static const struct entry_format toy = {
	.name = "toy",
	.words = 4,
	.fetch_words = 2,
	.present_bit = 1,
	.decode = toy_decode,
};

static const uint64_t absent[4], pass[4] = { TOY(1, 0), 9 }, second_a[4] = { TOY(2, 0xa), 1 },
				 second_b[4] = { TOY(2, 0xb), 2 }, first_a[4] = { TOY(3, 0), 3, 0xa000 },
				 first_b[4] = { TOY(3, 0), 4, 0xb000 };

static void s64(struct plan *p, unsigned int at, uint64_t val)
{
	p->step[p->n++] = (struct plan_step){ .op = PLAN_STORE64, .at = at, .val = { val } };
	p->stores++;
}

static void s128(struct plan *p, unsigned int at, const uint64_t *target)
{
	p->step[p->n++] =
		(struct plan_step){ .op = PLAN_STORE128_OP, .at = at, .val = { target[at], target[at + 1] } };
	p->stores++;
}

static void sync(struct plan *p)
{
	p->step[p->n++] = (struct plan_step){ .op = PLAN_SYNC };
	p->syncs++;
}

/* Expects the judgement and, if @step is not negative, the step after which it goes wrong. */
static void judged(const uint64_t *cur, const uint64_t *target, const struct plan *p, unsigned int caps,
		   int want, int step)
{
	struct plan_violation bad = { 0 };
	int err = plan_verify(&toy, caps, cur, target, p, &bad);

	if (err != want || (err && step >= 0 && (int)bad.step != step)) {
		plan_print(p);
		entry_print(bad.what ? bad.what : "fine", bad.entry, 4);
		fail_msg("%d instead of %d, step %u", err, want, bad.step);
	}
	if (err)
		assert_non_null(bad.what);
}

static void planted_tears(void **state)
{
	struct plan p = { 0 };

	/* pointer before id with 64-bit stores, and id before pointer */
	s64(&p, 0, second_b[0]);
	s64(&p, 1, second_b[1]);
	sync(&p);
	judged(second_a, second_b, &p, 0, -EINVAL, 0);
	p = (struct plan){ 0 };
	s64(&p, 1, second_b[1]);
	s64(&p, 0, second_b[0]);
	sync(&p);
	judged(second_a, second_b, &p, 0, -EINVAL, 0);
	/* a 16-byte store where there is none, an unaligned one, one outside */
	p = (struct plan){ 0 };
	s128(&p, 0, second_b);
	sync(&p);
	judged(second_a, second_b, &p, PLAN_STORE128, 0, -1);
	judged(second_a, second_b, &p, 0, -EINVAL, 0);
	p.step[0].at = 1;
	judged(second_a, second_b, &p, PLAN_STORE128, -EINVAL, 0);
	p.step[0].at = 4;
	judged(second_a, second_b, &p, PLAN_STORE128, -EINVAL, 0);
	/* first stage to first stage: pointer and id lie in two fetches */
	p = (struct plan){ 0 };
	s64(&p, 2, first_b[2]);
	sync(&p);
	s128(&p, 0, first_b);
	sync(&p);
	judged(first_a, first_b, &p, PLAN_STORE128, -EINVAL, 0);
}

static void planted_syncs(void **state)
{
	struct plan p = { 0 };

	/* no sync between fill and critical store: wrong in any order, right when the present bit is read
	 * first */
	s64(&p, 2, first_a[2]);
	s128(&p, 0, first_a);
	sync(&p);
	judged(pass, first_a, &p, PLAN_STORE128 | PLAN_ANY_ORDER, -EINVAL, 1);
	judged(pass, first_a, &p, PLAN_STORE128, 0, -1);
	/* the clean-up before the sync: who read the old first granule reads no table */
	p = (struct plan){ 0 };
	s128(&p, 0, pass);
	s64(&p, 2, 0);
	sync(&p);
	judged(first_a, pass, &p, PLAN_STORE128, -EINVAL, 1);
	/* the right one, without the last sync, and without any */
	p = (struct plan){ 0 };
	s128(&p, 0, pass);
	sync(&p);
	s64(&p, 2, 0);
	sync(&p);
	judged(first_a, pass, &p, PLAN_STORE128 | PLAN_ANY_ORDER, 0, -1);
	p.n--;
	p.syncs--;
	judged(first_a, pass, &p, PLAN_STORE128, -EINVAL, 3);
	p = (struct plan){ 0 };
	s128(&p, 0, second_b);
	judged(second_a, second_b, &p, PLAN_STORE128, -EINVAL, 1);
	/* counts that lie */
	sync(&p);
	judged(second_a, second_b, &p, PLAN_STORE128, 0, -1);
	p.syncs = 0;
	judged(second_a, second_b, &p, PLAN_STORE128, -EINVAL, 2);
	p.syncs = 1;
	p.stores = 2;
	judged(second_a, second_b, &p, PLAN_STORE128, -EINVAL, 2);
	/* it does not arrive */
	p = (struct plan){ 0 };
	judged(second_a, second_b, &p, PLAN_STORE128, -EINVAL, 0);
	judged(second_a, second_a, &p, PLAN_STORE128, 0, -1);
	p.n = PLAN_STEPS_MAX + 1;
	judged(second_a, second_a, &p, PLAN_STORE128, -EINVAL, 0);
}

static void planted_present_bit(void **state)
{
	struct plan p = { 0 };

	/* the present bit first */
	s128(&p, 0, first_a);
	s64(&p, 2, first_a[2]);
	judged(absent, first_a, &p, PLAN_STORE128, -EINVAL, 0);
	/* last, but hardware reads in any order, and then with a sync before */
	p = (struct plan){ 0 };
	s64(&p, 2, first_a[2]);
	s128(&p, 0, first_a);
	judged(absent, first_a, &p, PLAN_STORE128, 0, -1);
	judged(absent, first_a, &p, PLAN_STORE128 | PLAN_ANY_ORDER, -EINVAL, 1);
	p = (struct plan){ 0 };
	s64(&p, 2, first_a[2]);
	sync(&p);
	s128(&p, 0, first_a);
	judged(absent, first_a, &p, PLAN_STORE128 | PLAN_ANY_ORDER, 0, -1);
	/* zeroing a live entry without the handshake */
	p = (struct plan){ 0 };
	s64(&p, 2, 0);
	s128(&p, 0, absent);
	sync(&p);
	judged(first_a, absent, &p, PLAN_STORE128, -EINVAL, 0);
	p = (struct plan){ 0 };
	s128(&p, 0, absent);
	s64(&p, 2, 0);
	sync(&p);
	judged(first_a, absent, &p, PLAN_STORE128, -EINVAL, 1);
}

static void planted_breaks(void **state)
{
	struct plan p = { .gap = UIOMMU_GAP_BLOCKED };

	/* right, and then called gapless */
	s64(&p, 0, 0);
	sync(&p);
	s64(&p, 2, first_b[2]);
	s128(&p, 0, first_b);
	judged(first_a, first_b, &p, PLAN_STORE128, 0, -1);
	judged(first_a, first_b, &p, PLAN_STORE128 | PLAN_ANY_ORDER, -EINVAL, 3);
	p.gap = UIOMMU_GAP_NONE;
	judged(first_a, first_b, &p, PLAN_STORE128, -EINVAL, 0);
	/* without the sync after the break */
	p = (struct plan){ .gap = UIOMMU_GAP_BLOCKED };
	s64(&p, 0, 0);
	s64(&p, 2, first_b[2]);
	s128(&p, 0, first_b);
	sync(&p);
	judged(first_a, first_b, &p, PLAN_STORE128, -EINVAL, 1);
	/* the granule of the present bit first */
	p = (struct plan){ .gap = UIOMMU_GAP_BLOCKED };
	s64(&p, 0, 0);
	sync(&p);
	s128(&p, 0, first_b);
	sync(&p);
	s64(&p, 2, first_b[2]);
	sync(&p);
	judged(first_a, first_b, &p, PLAN_STORE128, -EINVAL, 2);
	/* a gap allows "not present", not anything */
	p = (struct plan){ .gap = UIOMMU_GAP_BLOCKED };
	s128(&p, 0, pass);
	sync(&p);
	s64(&p, 2, first_b[2]);
	s128(&p, 0, first_b);
	sync(&p);
	judged(first_a, first_b, &p, PLAN_STORE128, -EINVAL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_pairs),	       cmocka_unit_test(plans_in_a_row),
		cmocka_unit_test(clear_random),	       cmocka_unit_test(naive_orders_refused),
		cmocka_unit_test(derive_random),       cmocka_unit_test(derive_joint),
		cmocka_unit_test(planted_tears),       cmocka_unit_test(planted_syncs),
		cmocka_unit_test(planted_present_bit), cmocka_unit_test(planted_breaks),
	};

	return cmocka_run_group_tests_name("update.plan", tests, NULL, NULL);
}
