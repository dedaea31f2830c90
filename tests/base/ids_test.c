/* SPDX-License-Identifier: MIT */
/* Against a naive set: always the lowest free number, never one twice, all of them. */
#include "base_test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/ids.h"

#define MAX_RANGE 300

/* The lowest free number of the naive set, or n. */
static uint32_t lowest(const bool *taken, uint32_t n)
{
	uint32_t i = 0;

	while (i < n && taken[i])
		i++;
	return i;
}

static void one_run(struct alloc *a, uint64_t seed)
{
	uint64_t state = seed;
	uint32_t n = 1 + (uint32_t)rnd_below(&state, MAX_RANGE);
	uint32_t first = rnd_below(&state, 2) ? (uint32_t)rnd_below(&state, 1000) : UINT32_MAX - n + 1;
	uint32_t grow = 1 + (uint32_t)rnd_below(&state, 9);
	bool taken[MAX_RANGE] = { false };
	struct ids ids;

	check_seed(!ids_init(&ids, a, first, first + n - 1), seed);
	for (int step = 0; step < 400; step++) {
		uint32_t i = (uint32_t)rnd_below(&state, n), id = 0;

		if (rnd_below(&state, 10) < grow) {
			i = lowest(taken, n);
			check_seed(ids_get(&ids, &id) == (i == n ? -ENOSPC : 0), seed);
			check_seed(i == n || id == first + i, seed);
			if (i < n)
				taken[i] = true;
		} else if (taken[i]) {
			ids_put(&ids, first + i);
			taken[i] = false;
		}
		i = (uint32_t)rnd_below(&state, n);
		check_seed(ids_taken(&ids, first + i) == taken[i], seed);
	}
	check_seed(!first || !ids_taken(&ids, first - 1), seed);
	check_seed(first + n == 0 || !ids_taken(&ids, first + n), seed);
	ids_fini(&ids);
}

static void like_a_naive_set(void **state)
{
	uint64_t seed = (uint64_t)time(NULL);
	struct alloc a;

	(void)state;
	alloc_init(&a, NULL, NULL);
	for (int i = 0; i < 300; i++)
		one_run(&a, seed + (uint64_t)i);
	assert_int_equal(alloc_live(&a), 0);
}

static void bad_ranges(void **state)
{
	struct alloc a;
	struct ids ids;

	(void)state;
	alloc_init(&a, NULL, NULL);
	assert_int_equal(ids_init(&ids, &a, 5, 4), -EINVAL);
	alloc_fail_nth(&a, 1);
	assert_int_equal(ids_init(&ids, &a, 0, 4), -ENOMEM);
	assert_int_equal(alloc_live(&a), 0);
}

static void *take_many(void *opaque)
{
	struct ids *ids = opaque;
	uint32_t id;

	for (int i = 0; i < 500; i++)
		if (ids_get(ids, &id))
			return opaque;
	return NULL;
}

/* Three threads take all numbers: if one were given twice, one would be left over. */
static void threads_share(void **state)
{
	pthread_t thread[3];
	struct alloc a;
	struct ids ids;
	uint32_t id;
	void *bad;

	(void)state;
	alloc_init(&a, NULL, NULL);
	assert_int_equal(ids_init(&ids, &a, 1, 1500), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, take_many, &ids), 0);
	for (int i = 0; i < 3; i++) {
		pthread_join(thread[i], &bad);
		assert_null(bad);
	}
	assert_int_equal(ids_get(&ids, &id), -ENOSPC);
	for (id = 1; id <= 1500; id++)
		assert_true(ids_taken(&ids, id));
	ids_fini(&ids);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(like_a_naive_set),
		cmocka_unit_test(bad_ranges),
		cmocka_unit_test(threads_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
