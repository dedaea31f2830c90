/* SPDX-License-Identifier: MIT */
/* What was replaced may be written and freed after rcu_wait(): readers hold plain memory. */
#include "base_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/rcu.h"
#include "base/task.h"

struct box {
	uint64_t a, b;		/* equal while it is published */
};

struct world {
	atomic_bool stop;
	struct box *_Atomic box;
	_Atomic unsigned int reads, wrong;
};

static void *reader(void *opaque)
{
	struct world *w = opaque;

	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		const volatile struct box *b;

		rcu_section_begin();
		rcu_section_begin();
		b = rcu_read(&w->box);
		rcu_section_end();
		/* Still inside: sections nest. */
		for (int i = 0; i < 10; i++)
			if (b->a != b->b || !b->a)
				atomic_fetch_add(&w->wrong, 1);
		rcu_section_end();
		atomic_fetch_add_explicit(&w->reads, 1, memory_order_relaxed);
	}
	return NULL;
}

static struct box *box_new(uint64_t n)
{
	struct box *b = malloc(sizeof(*b));

	*b = (struct box) { n, n };
	return b;
}

static void replaced_is_unused(void **state)
{
	pthread_t thread[2];
	struct world w = { 0 };
	struct box *old;

	(void)state;
	atomic_store(&w.box, box_new(1));
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, reader, &w), 0);
	for (uint64_t n = 2; n < 1000 || atomic_load(&w.reads) < 100; n++) {
		old = atomic_load(&w.box);
		rcu_publish(&w.box, box_new(n));
		rcu_wait();
		old->a = 0;
		free(old);
	}
	atomic_store(&w.stop, true);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(w.wrong, 0);
	free(atomic_load(&w.box));
}

static void *wait_once(void *opaque)
{
	atomic_bool *done = opaque;

	rcu_wait();
	atomic_store(done, true);
	return NULL;
}

static void waits_for_section(void **state)
{
	struct task_spin spin = { 0 };
	atomic_bool done = false;
	pthread_t thread;

	(void)state;
	rcu_section_begin();
	assert_int_equal(pthread_create(&thread, NULL, wait_once, &done), 0);
	for (int i = 0; i < 20000; i++) {
		task_relax(&spin);
		assert_false(atomic_load(&done));
	}
	rcu_section_end();
	pthread_join(thread, NULL);
	assert_true(atomic_load(&done));
	/* Alone, nothing to wait for. */
	rcu_wait();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replaced_is_unused),
		cmocka_unit_test(waits_for_section),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
