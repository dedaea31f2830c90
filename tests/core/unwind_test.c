/* SPDX-License-Identifier: MIT */
/*
 * Groups of n devices, n up to 8, in which the k-th fails: at prepare, at commit,
 * on the way back of any subset of those before it, and at parking; on paths that
 * may fail and on those that must not; and random sequences of all calls. The
 * core must do what the model says, the mock sees to what hardware may reach.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "world.h"

enum how { REPLACE, ATTACH, DETACH, BLOCK, REMOVE, ADD, COMMIT, HOWS };

/* Parking: nobody fails, all, or one. */
struct trial {
	enum how how;
	int n, k;		/* k == n: none fails */
	unsigned int back;	/* mask of failing ways back, below k */
	int park;		/* -1: none fails, -2: all, else that one */
	bool lost, batch_lost;
};

static uint64_t trials;

static void set_trial_faults(struct world *w, const struct trial *t)
{
	for (int d = 0; d < t->n; d++) {
		struct model_dev *dev = &w->m.dev[d];

		dev->fail = d == t->k;
		dev->fail_back = t->back >> d & 1;
		dev->lost = t->lost;
		dev->batch_lost = t->batch_lost && d % 2;
		dev->fail_park = t->park == -2 || t->park == d;
	}
	world_set_faults(w);
}

static void run_trial(const struct trial *t)
{
	struct world *w = world_create();
	/* Removal and addition concern one device, the k-th. */
	bool one = t->how == REMOVE || t->how == ADD;
	int last = one ? t->k : t->n;

	trials++;
	world_alloc(w, 1);
	world_alloc(w, 2);
	for (int d = 0; d < t->n; d++)
		if (t->how != ADD || d != t->k)
			require(!world_add(w, 0, d));
	if (t->how != BLOCK && t->how != ATTACH)
		require(!world_set_default(w, 0, 1));
	if (t->how != ATTACH)
		require(!world_replace(w, 0, 2));
	if (t->how == REPLACE || t->how == COMMIT)
		world_alloc(w, 3);
	if (t->how == COMMIT) {
		w->target[0].group = 0;
		w->target[0].domain = 3;
		require(!world_prepare(w, 1));
	}
	set_trial_faults(w, t);
	switch (t->how) {
	case REPLACE:
		require(!world_replace(w, 0, 3) == (t->k == t->n));
		break;
	case ATTACH:
		require(!world_attach(w, 0, 1) == (t->k == t->n));
		break;
	case DETACH:
		world_detach(w, 0);
		break;
	case BLOCK:
		world_block(w, 0);
		break;
	case REMOVE:
		world_remove(w, last);
		break;
	case ADD:
		require(world_add(w, 0, last));
		break;
	case COMMIT:
	default:
		require(!world_commit(w) == (t->k == t->n));
		break;
	}
	/* What is going away has no user left, parked or stuck devices or not. */
	if (t->how == DETACH || t->how == BLOCK)
		world_free(w, 2);
	world_clear_faults(w);
	world_block(w, 0);
	world_replace(w, 0, 1);
	for (int d = 0; d < t->n; d++)
		require(!w->dev[d] || w->dev[d]->att.domain == w->domain[1]);
	world_destroy(w);
}

static void each_park(struct trial *t)
{
	for (t->park = -2; t->park < t->n; t->park++)
		/* Only devices that are parked in some case matter. */
		if (t->park < 0 || t->park == t->k || t->back >> t->park & 1)
			run_trial(t);
}

static void each_k(enum how how, bool ways_back)
{
	struct trial t = { .how = how };

	for (t.n = 1; t.n <= 8; t.n++)
		for (t.k = 0; t.k <= t.n; t.k++)
			for (int kind = 0; kind < 4; kind++) {
				if (t.k == t.n && (kind || how == REMOVE || how == ADD))
					continue;
				t.lost = kind & 1;
				t.batch_lost = kind & 2;
				for (t.back = 0; t.back < (ways_back && t.k < t.n ? 1u << t.k : 1u); t.back++)
					each_park(&t);
			}
}

static void test_replace(void **state)
{
	(void)state;
	each_k(REPLACE, true);
}

static void test_commit(void **state)
{
	(void)state;
	each_k(COMMIT, true);
}

static void test_others(void **state)
{
	(void)state;
	each_k(ATTACH, true);
	each_k(DETACH, false);
	each_k(BLOCK, false);
	each_k(REMOVE, false);
	each_k(ADD, false);
	print_message("# %llu trials\n", (unsigned long long)trials);
}

/* Every prepare comes before the first commit, and one commit has all devices. */
static void test_batch(void **state)
{
	struct world *w = world_create();
	struct mock_iommu *m = to_mock(w->iommu[0]);

	(void)state;
	world_alloc(w, 1);
	world_alloc(w, 2);
	for (int d = 0; d < 8; d++)
		world_add(w, 0, d);
	world_attach(w, 0, 1);
	assert_int_equal(m->commits, 1);
	assert_int_equal(m->commit_slots, 8);
	/* The last one cannot be prepared: nothing is committed. */
	w->m.dev[7].fail_prepare = true;
	world_set_faults(w);
	assert_int_equal(world_replace(w, 0, 2), -ENOSPC);
	assert_int_equal(m->commits, 1);
	assert_int_equal(m->aborts, 7);
	/* A path that must succeed parks it and takes the others along. */
	world_block(w, 0);
	assert_int_equal(m->commits, 2);
	assert_int_equal(m->commit_slots, 7);
	world_destroy(w);
}

static void random_faults(struct world *w, uint64_t *r)
{
	world_clear_faults(w);
	if (one_in(r, 2))
		return;
	for (int d = 0; d < M_DEVS; d++) {
		struct model_dev *dev = &w->m.dev[d];

		dev->fail_prepare = one_in(r, 24);
		dev->fail = one_in(r, 8);
		dev->lost = one_in(r, 3);
		dev->batch_lost = one_in(r, 4);
		dev->fail_back = one_in(r, 4);
		dev->fail_park = one_in(r, 3);
	}
	world_set_faults(w);
}

static int random_domain(struct world *w, int group, uint64_t *r)
{
	int base = w->m.group[group].iommu * M_DOMAINS / 2, d = base + (int)rnd(r, M_DOMAINS / 2);

	return d > base && w->domain[d] ? d : 0;
}

static void random_txn(struct world *w, uint64_t *r)
{
	int n = 1 + (int)rnd(r, M_GROUPS), skip = (int)rnd(r, M_GROUPS);

	if (w->txn) {
		if (one_in(r, 4))
			world_abort(w);
		else
			world_commit(w);
		return;
	}
	for (int i = 0; i < n; i++) {
		w->target[i].group = (i * 3 + skip) % M_GROUPS;
		w->target[i].domain = random_domain(w, w->target[i].group, r);
	}
	world_prepare(w, n);
}

static void random_step(struct world *w, uint64_t *r)
{
	int group = (int)rnd(r, M_GROUPS), iommu = group >= M_GROUPS / 2;
	int dev = iommu * M_DEVS / 2 + (int)rnd(r, 10), domain = iommu * M_DOMAINS / 2 + 1 + (int)rnd(r, 6);

	random_faults(w, r);
	switch (rnd(r, 12)) {
	case 0:
		world_add(w, group, dev);
		break;
	case 1:
		if (w->dev[dev] && one_in(r, 2))
			world_remove(w, dev);
		break;
	case 2:
		if (w->domain[domain])
			world_free(w, domain);
		else
			world_alloc(w, domain);
		break;
	case 3:
		world_detach(w, group);
		break;
	case 4:
		world_block(w, group);
		break;
	case 5:
		world_attach(w, group, random_domain(w, group, r));
		break;
	case 6:
		world_set_default(w, group, random_domain(w, group, r));
		break;
	case 7:
	case 8:
		random_txn(w, r);
		break;
	default:
		world_replace(w, group, random_domain(w, group, r));
		break;
	}
}

static void test_random(void **state)
{
	const char *given = getenv("UIOMMU_TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : 1, r;

	(void)state;
	for (int run = 0; run < 100; run++, seed++) {
		struct world *w = world_create();

		r = seed | UINT64_C(1) << 63;
		mock_seed(seed);
		for (int i = 0; i < 1000; i++)
			random_step(w, &r);
		world_destroy(w);
	}
	print_message("# 100000 steps, seeds up to %llu\n", (unsigned long long)seed - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_commit),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
