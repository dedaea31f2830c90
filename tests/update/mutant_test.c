/* SPDX-License-Identifier: MIT */
/* Mistakes on demand: constant false in production; in the steered build of one thread, and they act. */
#include "update/mutant.h"

#include <errno.h>
#include <pthread.h>

#include "base/alloc.h"
#include "update/tag.h"
#include "update/util.h"

static void names(void **state)
{
	for (enum mutant m = MUTANT_NONE; m < MUTANT_COUNT; m++) {
		assert_int_equal(mutant_by_name(mutant_name(m)), m);
		for (enum mutant k = MUTANT_NONE; k < m; k++)
			assert_string_not_equal(mutant_name(k), mutant_name(m));
	}
	assert_string_equal(mutant_name(MUTANT_COUNT), "?");
	assert_int_equal(mutant_by_name("no such"), MUTANT_NONE);
}

/* tag_put() of a tag that was not flushed. */
static int put_early(void)
{
	struct tag_space ts;
	struct alloc a;
	uint32_t tag;
	int err;

	alloc_init(&a, NULL, NULL);
	assert_int_equal(tag_space_init(&ts, &a, 1, 2), 0);
	assert_int_equal(tag_get(&ts, &tag), 0);
	assert_true(tag_retire(&ts, tag));
	err = tag_put(&ts, tag);
	tag_space_fini(&ts);
	return err;
}

#ifdef UIOMMU_STEERED

static void *other_thread(void *arg)
{
	*(bool *)arg = mutant(MUTANT_TAG_REUSE_EARLY);
	return NULL;
}

static void selection(void **state)
{
	pthread_t thread;
	bool there = true;

	for (enum mutant m = MUTANT_NONE; m < MUTANT_COUNT; m++) {
		mutant_select(m);
		for (enum mutant k = MUTANT_NONE; k < MUTANT_COUNT; k++)
			assert_int_equal(mutant(k), k == m && m != MUTANT_NONE);
	}
	mutant_select(MUTANT_TAG_REUSE_EARLY);
	assert_int_equal(put_early(), 0);
	assert_int_equal(pthread_create(&thread, NULL, other_thread, &there), 0);
	pthread_join(thread, NULL);
	assert_false(there);
	mutant_select(MUTANT_NONE);
	assert_int_equal(put_early(), -EBUSY);
}

#else

static void selection(void **state)
{
	for (enum mutant m = MUTANT_NONE; m < MUTANT_COUNT; m++)
		assert_false(mutant(m));
	assert_int_equal(put_early(), -EBUSY);
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(selection),
	};

	return cmocka_run_group_tests_name("update.mutant", tests, NULL, NULL);
}
