/* SPDX-License-Identifier: MIT */
/*
 * One deliberate data race: two threads add to a plain number. Run under TSan it must
 * be reported; if it is not, the clean TSan runs of the tests say nothing. A lock that
 * orders other accesses is around, so that the floor's own code is part of the run.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/lock.h"
#include "base/task.h"

struct numbers {
	struct lock lock;
	uint64_t guarded;
	uint64_t raced;
};

static void add(void *arg)
{
	struct numbers *n = arg;

	for (int i = 0; i < 1000; i++) {
		lock_take(&n->lock);
		n->guarded++;
		lock_drop(&n->lock);
		n->raced++;
	}
}

int main(void)
{
	struct numbers n = { 0 };
	struct task *task[2];
	struct task_set *set;
	struct alloc a;

	alloc_init(&a, NULL, NULL);
	lock_init(&n.lock);
	if (task_set_create(&a, 0, &set))
		return EXIT_FAILURE;
	for (int i = 0; i < 2; i++)
		if (task_spawn(set, "adder", add, &n, &task[i]))
			return EXIT_FAILURE;
	for (int i = 0; i < 2; i++)
		task_join(task[i]);
	task_set_destroy(set);
	printf("guarded %llu, raced %llu\n", (unsigned long long)n.guarded, (unsigned long long)n.raced);
	return n.guarded == 2000 ? EXIT_SUCCESS : EXIT_FAILURE;
}
