/* SPDX-License-Identifier: MIT */
/* Pages of the pool: zeroed whenever given, disjoint, aligned, counted, all of them usable. */
#include "base_test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/quiesce.h"

#define PAGE UIOMMU_PAGE_SIZE
#define BASE UINT64_C(0x10001000)	/* not aligned to anything large */

struct world {
	struct alloc a;
	struct quiesce q;
	struct mem *mem;
	struct pool *pool;
};

static void world_init(struct world *w, size_t pages)
{
	alloc_init(&w->a, NULL, NULL);
	quiesce_init(&w->q);
	assert_int_equal(mem_create(&w->a, &w->q, &w->mem), 0);
	assert_int_equal(pool_create(&w->a, w->mem, BASE, pages * PAGE, &w->pool), 0);
}

static void world_fini(struct world *w)
{
	assert_int_equal(pool_live(w->pool), 0);
	pool_destroy(w->pool);
	mem_destroy(w->mem);
	assert_int_equal(alloc_live(&w->a), 0);
}

static bool zeroed(const void *p, size_t n)
{
	const char *c = p;

	return !c[0] && !memcmp(c, c + 1, n - 1);
}

static void addresses(void **state)
{
	struct world w;
	uint64_t val;
	uiommu_pa_t pa;
	char *va;

	(void)state;
	world_init(&w, 16);
	pa = pool_get(w.pool);
	va = pool_va(w.pool, pa);
	assert_int_equal(pool_pa(w.pool, va + 100), pa + 100);
	assert_int_equal(pool_desc(w.pool, pa)->level, 0);
	/* It is a region of the memory map, to its last byte and no further. */
	assert_int_equal(mem_store64(w.mem, pa + 8, 99), 0);
	memcpy(&val, va + 8, 8);
	assert_int_equal(val, 99);
	assert_int_equal(mem_load64(w.mem, BASE + 16 * PAGE - 8, &val), 0);
	assert_int_equal(mem_load64(w.mem, BASE + 16 * PAGE, &val), -EIO);
	pool_put(w.pool, pa);
	world_fini(&w);
}

static void reuse_is_zeroed_and_lifo(void **state)
{
	struct world w;
	uiommu_pa_t a, b;

	(void)state;
	world_init(&w, 64);
	a = pool_get(w.pool);
	b = pool_get(w.pool);
	memset(pool_va(w.pool, a), 0xff, PAGE);
	memset(pool_va(w.pool, b), 0xff, PAGE);
	pool_desc(w.pool, b)->level = 3;
	atomic_store(&pool_desc(w.pool, b)->live, 7);
	pool_put(w.pool, a);
	pool_put(w.pool, b);
	assert_int_equal(pool_get(w.pool), b);
	assert_true(zeroed(pool_va(w.pool, b), PAGE));
	assert_int_equal(pool_desc(w.pool, b)->level, 0);
	assert_int_equal(pool_desc(w.pool, b)->next, 0);
	assert_int_equal(atomic_load(&pool_desc(w.pool, b)->live), 0);
	assert_int_equal(pool_get(w.pool), a);
	assert_true(zeroed(pool_va(w.pool, a), PAGE));
	assert_int_equal(pool_live(w.pool), 2);
	pool_put(w.pool, a);
	pool_put(w.pool, b);
	world_fini(&w);
}

/* Every page can be had, none twice; then none more, and after one is put, one. */
static void exhaustion(void **state)
{
	struct pool_list list = { 0 };
	struct world w;
	uiommu_pa_t pa, one;

	(void)state;
	world_init(&w, 1100);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < 1100; i++) {
			pa = pool_get(w.pool);
			assert_true(pa >= BASE && pa < BASE + 1100 * PAGE && pa % PAGE == 0);
			assert_true(zeroed(pool_va(w.pool, pa), PAGE));
			memset(pool_va(w.pool, pa), 0xee, PAGE);
			pool_list_add(w.pool, &list, pa);
		}
		assert_int_equal(pool_get(w.pool), 0);
		assert_int_equal(pool_get_order(w.pool, 1), 0);
		assert_int_equal(pool_live(w.pool), 1100);
		one = list.head;
		list.head = pool_desc(w.pool, one)->next;
		list.n--;
		pool_put(w.pool, one);
		assert_int_equal(pool_get(w.pool), one);
		assert_int_equal(pool_get(w.pool), 0);
		pool_list_add(w.pool, &list, one);
		pool_put_list(w.pool, &list);
		assert_int_equal(list.head, 0);
		assert_int_equal(list.n, 0);
		assert_int_equal(pool_live(w.pool), 0);
	}
	pool_put_list(w.pool, &list);
	world_fini(&w);
}

#define PAGES 2048
#define HELD 200

/* Random orders, taken and put: aligned, inside, disjoint, zeroed; owners' marks stay whole. */
static void orders_run(uint64_t seed)
{
	struct { uiommu_pa_t pa; unsigned int lg2; } held[HELD] = { 0 };
	static bool used[PAGES];
	uint64_t state = seed;
	struct world w;
	size_t live = 0;

	memset(used, 0, sizeof(used));
	world_init(&w, PAGES);
	for (int step = 0; step < 2000; step++) {
		size_t i = rnd_below(&state, HELD), n = (size_t)1 << held[i].lg2;
		size_t first = (held[i].pa - BASE) / PAGE;

		if (held[i].pa) {
			for (size_t k = 0; k < n; k++)
				used[first + k] = false;
			pool_put_order(w.pool, held[i].pa, held[i].lg2);
			held[i].pa = 0;
			live -= n;
			continue;
		}
		held[i].lg2 = (unsigned int)rnd_below(&state, rnd_below(&state, 20) ? 4 : 9);
		n = (size_t)1 << held[i].lg2;
		held[i].pa = pool_get_order(w.pool, held[i].lg2);
		if (!held[i].pa)
			continue;
		first = (held[i].pa - BASE) / PAGE;
		check_seed(held[i].pa % (n * PAGE) == 0 && first + n <= PAGES, seed);
		check_seed(zeroed(pool_va(w.pool, held[i].pa), n * PAGE), seed);
		memset(pool_va(w.pool, held[i].pa), 0xcc, n * PAGE);
		for (size_t k = 0; k < n; k++) {
			check_seed(!used[first + k], seed);
			used[first + k] = true;
		}
		live += n;
		check_seed(pool_live(w.pool) == live, seed);
	}
	for (size_t i = 0; i < HELD; i++)
		if (held[i].pa)
			pool_put_order(w.pool, held[i].pa, held[i].lg2);
	world_fini(&w);
}

static void orders(void **state)
{
	uint64_t seed = (uint64_t)time(NULL);

	(void)state;
	for (int i = 0; i < 5; i++)
		orders_run(seed + (uint64_t)i);
}

static void each_allocation_fails(void **state)
{
	struct world w;
	struct pool *p;
	uiommu_pa_t pa;
	long live;

	(void)state;
	world_init(&w, 16);
	live = alloc_live(&w.a);
	for (long n = 1; n <= 2; n++) {
		alloc_fail_nth(&w.a, n);
		assert_int_equal(pool_create(&w.a, w.mem, BASE << 8, 16 * PAGE, &p), -ENOMEM);
		assert_int_equal(alloc_live(&w.a), live);
	}
	alloc_fail_nth(&w.a, 0);
	assert_int_equal(pool_create(&w.a, w.mem, BASE + PAGE, 16 * PAGE, &p), -EEXIST);
	assert_int_equal(pool_create(&w.a, w.mem, 0, 16 * PAGE, &p), -EINVAL);
	assert_int_equal(pool_create(&w.a, w.mem, BASE << 8, 0, &p), -EINVAL);
	assert_int_equal(alloc_live(&w.a), live);
	alloc_fail_nth(&w.a, 2);
	pa = pool_get(w.pool);
	assert_int_not_equal(pa, 0);
	assert_int_equal(alloc_live(&w.a), live + 1);
	assert_int_equal(pool_get(w.pool), 0);
	assert_int_equal(pool_get_order(w.pool, 40), 0);
	assert_int_equal(pool_live(w.pool), 1);
	pool_put(w.pool, pa);
	pool_destroy(NULL);
	world_fini(&w);
}

static void *churn(void *opaque)
{
	struct pool *pool = opaque;
	uiommu_pa_t pa[20];

	for (int round = 0; round < 500; round++) {
		for (int i = 0; i < 20; i++) {
			pa[i] = pool_get(pool);
			if (!pa[i] || !zeroed(pool_va(pool, pa[i]), PAGE))
				return opaque;
			memset(pool_va(pool, pa[i]), round + 1, 256);
		}
		for (int i = 0; i < 20; i++)
			pool_put(pool, pa[i]);
	}
	return NULL;
}

static void threads_share(void **state)
{
	pthread_t thread[2];
	struct world w;
	void *bad;

	(void)state;
	world_init(&w, 64);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, churn, w.pool), 0);
	for (int i = 0; i < 2; i++) {
		pthread_join(thread[i], &bad);
		assert_null(bad);
	}
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(reuse_is_zeroed_and_lifo),
		cmocka_unit_test(exhaustion),
		cmocka_unit_test(orders),
		cmocka_unit_test(each_allocation_fails),
		cmocka_unit_test(threads_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
