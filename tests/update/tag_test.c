/* SPDX-License-Identifier: MIT */
/* The life cycle of tags: every step from every state, exhaustion, failing allocations, two threads. */
#include "update/tag.h"

#include <errno.h>
#include <pthread.h>

#include "base/alloc.h"
#include "update/mutant.h"
#include "update/util.h"

enum step { RETIRE, REVIVE, FLUSHED, PUT, QUARANTINE, OWNER_REVIVE, OWNER_CLEAN, STEPS };

/* A tag in the given state; the space has just this one, so that its reuse is seen at once. */
static uint32_t tag_in(struct tag_space *ts, enum tag_state state)
{
	uint32_t tag;

	assert_int_equal(tag_get(ts, &tag), 0);
	if (state == TAG_DYING || state == TAG_FLUSHED || state == TAG_FREE)
		assert_true(tag_retire(ts, tag));
	if (state == TAG_FLUSHED || state == TAG_FREE)
		assert_true(tag_flushed(ts, tag));
	if (state == TAG_FREE)
		assert_int_equal(tag_put(ts, tag), 0);
	if (state == TAG_QUARANTINED)
		assert_true(tag_quarantine(ts, tag));
	assert_int_equal(tag_state(ts, tag), state);
	return tag;
}

/* 0 done, 1 refused, or tag_put()'s error. */
static int take(struct tag_space *ts, enum step step, uint32_t tag)
{
	switch (step) {
	case RETIRE:
		return !tag_retire(ts, tag);
	case REVIVE:
		return !tag_revive(ts, tag);
	case FLUSHED:
		return !tag_flushed(ts, tag);
	case PUT:
		return tag_put(ts, tag);
	case OWNER_REVIVE:
		return !tag_owner_revive(ts, tag);
	case OWNER_CLEAN:
		return !tag_owner_clean(ts, tag);
	default:
		return !tag_quarantine(ts, tag);
	}
}

static void every_step_from_every_state(void **state)
{
	static const struct {
		int result;
		enum tag_state then;
	} want[][STEPS] = {
		[TAG_FREE] = { { 1, TAG_FREE },
			       { 1, TAG_FREE },
			       { 1, TAG_FREE },
			       { -EINVAL, TAG_FREE },
			       { 1, TAG_FREE },
			       { 1, TAG_FREE },
			       { 1, TAG_FREE } },
		[TAG_LIVE] = { { 0, TAG_DYING },
			       { 1, TAG_LIVE },
			       { 1, TAG_LIVE },
			       { -EBUSY, TAG_QUARANTINED },
			       { 0, TAG_QUARANTINED },
			       { 1, TAG_LIVE },
			       { 0, TAG_FLUSHED } },
		[TAG_DYING] = { { 1, TAG_DYING },
				{ 0, TAG_LIVE },
				{ 0, TAG_FLUSHED },
				{ -EBUSY, TAG_QUARANTINED },
				{ 0, TAG_QUARANTINED },
				{ 0, TAG_LIVE },
				{ 1, TAG_DYING } },
		[TAG_FLUSHED] = { { 1, TAG_FLUSHED },
				  { 0, TAG_LIVE },
				  { 1, TAG_FLUSHED },
				  { 0, TAG_FREE },
				  { 0, TAG_QUARANTINED },
				  { 0, TAG_LIVE },
				  { 1, TAG_FLUSHED } },
		[TAG_QUARANTINED] = { { 1, TAG_QUARANTINED },
				      { 1, TAG_QUARANTINED },
				      { 1, TAG_QUARANTINED },
				      { -EBUSY, TAG_QUARANTINED },
				      { 0, TAG_QUARANTINED },
				      { 1, TAG_QUARANTINED },
				      { 1, TAG_QUARANTINED } },
	};

	for (enum tag_state from = TAG_FREE; from <= TAG_QUARANTINED; from++) {
		for (enum step step = RETIRE; step < STEPS; step++) {
			struct tag_space ts;
			struct alloc a;
			uint32_t tag, again;

			alloc_init(&a, NULL, NULL);
			assert_int_equal(tag_space_init(&ts, &a, 7, 7), 0);
			tag = tag_in(&ts, from);
			assert_int_equal(tag, 7);
			assert_int_equal(take(&ts, step, tag), want[from][step].result);
			assert_int_equal(tag_state(&ts, tag), want[from][step].then);
			/* Only a free tag is given again. */
			assert_int_equal(tag_get(&ts, &again),
					 want[from][step].then == TAG_FREE ? 0 : -ENOSPC);
			tag_space_fini(&ts);
			assert_int_equal(atomic_load(&a.live), 0);
		}
	}
}

static void foreign_numbers(void **state)
{
	struct tag_space ts;
	struct alloc a;

	alloc_init(&a, NULL, NULL);
	assert_int_equal(tag_space_init(&ts, &a, 4, 3), -EINVAL);
	assert_int_equal(tag_space_init(&ts, &a, 0, UINT32_MAX), -EINVAL);
	assert_int_equal(tag_space_init(&ts, &a, 2, 5), 0);
	for (enum step step = RETIRE; step < STEPS; step++) {
		assert_int_equal(take(&ts, step, 1), step == PUT ? -EINVAL : 1);
		assert_int_equal(take(&ts, step, 6), step == PUT ? -EINVAL : 1);
	}
	assert_int_equal(tag_state(&ts, 6), TAG_QUARANTINED);
	tag_space_fini(&ts);
	assert_int_equal(atomic_load(&a.live), 0);
}

/* All tags are given, each once; what comes back flushed is given again, what is quarantined never. */
static void exhaustion(void **state)
{
	enum { FIRST = 3, N = 200 };
	struct tag_space ts;
	struct alloc a;
	bool seen[N] = { false };
	uint32_t tag;

	alloc_init(&a, NULL, NULL);
	assert_int_equal(tag_space_init(&ts, &a, FIRST, FIRST + N - 1), 0);
	for (unsigned int i = 0; i < N; i++) {
		assert_int_equal(tag_get(&ts, &tag), 0);
		assert_in_range(tag, FIRST, FIRST + N - 1);
		assert_false(seen[tag - FIRST]);
		seen[tag - FIRST] = true;
	}
	assert_int_equal(tag_get(&ts, &tag), -ENOSPC);
	for (uint32_t t = FIRST; t < FIRST + N; t++) {
		assert_true(tag_retire(&ts, t));
		if (t % 3)
			assert_true(tag_flushed(&ts, t));
		assert_int_equal(tag_put(&ts, t), t % 3 ? 0 : -EBUSY);
	}
	for (unsigned int i = 0; i < N; i++) {
		if (tag_get(&ts, &tag))
			break;
		assert_true(tag % 3);
		seen[tag - FIRST] = false;
	}
	for (uint32_t t = FIRST; t < FIRST + N; t++)
		assert_int_equal(seen[t - FIRST], t % 3 == 0);
	tag_space_fini(&ts);
	assert_int_equal(atomic_load(&a.live), 0);
}

static void failing_allocations(void **state)
{
	struct tag_space ts;
	struct alloc a;
	long n = 0;
	int err;

	alloc_init(&a, NULL, NULL);
	do {
		alloc_fail_nth(&a, ++n);
		err = tag_space_init(&ts, &a, 1, 100);
		if (err) {
			assert_int_equal(err, -ENOMEM);
			assert_int_equal(atomic_load(&a.live), 0);
		}
	} while (err);
	assert_true(n > 2);
	alloc_fail_nth(&a, 0);
	tag_space_fini(&ts);
	assert_int_equal(atomic_load(&a.live), 0);
}

#define STORM_TAGS 4

struct storm {
	struct tag_space ts;
	_Atomic unsigned int holders[STORM_TAGS];
	_Atomic unsigned int doubles;
};

/* Whoever has a tag has it alone until it went the whole way. */
static void *storm_thread(void *arg)
{
	struct storm *s = arg;

	for (unsigned int i = 0; i < 20000; i++) {
		uint32_t tag;

		if (tag_get(&s->ts, &tag))
			continue;
		if (atomic_fetch_add(&s->holders[tag], 1))
			atomic_fetch_add(&s->doubles, 1);
		tag_retire(&s->ts, tag);
		if (i % 4 == 0 && tag_revive(&s->ts, tag))
			tag_retire(&s->ts, tag);
		tag_flushed(&s->ts, tag);
		atomic_fetch_sub(&s->holders[tag], 1);
		if (tag_put(&s->ts, tag))
			atomic_fetch_add(&s->doubles, 1);
	}
	return NULL;
}

static void two_threads(void **state)
{
	struct storm s = { 0 };
	pthread_t thread;
	struct alloc a;

	alloc_init(&a, NULL, NULL);
	assert_int_equal(tag_space_init(&s.ts, &a, 0, STORM_TAGS - 1), 0);
	assert_int_equal(pthread_create(&thread, NULL, storm_thread, &s), 0);
	storm_thread(&s);
	pthread_join(thread, NULL);
	assert_int_equal(atomic_load(&s.doubles), 0);
	tag_space_fini(&s.ts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_step_from_every_state),
		cmocka_unit_test(foreign_numbers),
		cmocka_unit_test(exhaustion),
		cmocka_unit_test(failing_allocations),
		cmocka_unit_test(two_threads),
	};

	return cmocka_run_group_tests_name("update.tag", tests, NULL, NULL);
}
