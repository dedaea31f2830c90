/* SPDX-License-Identifier: MIT */
/*
 * Tasks: threads in production, fibers of one thread in the steered build, where
 * a seeded adversary decides at every choice point who runs next. The same code
 * runs as both; a loop that waits calls task_relax() and thereby works in both.
 */
#ifndef BASE_TASK_H
#define BASE_TASK_H

#include <stdbool.h>
#include <stdint.h>

struct alloc;
struct task;
struct task_set;

/*
 * task_set_create - tasks that belong together
 * @seed: steered build: decides everything; otherwise unused
 * In the steered build the calling thread becomes the set's first task and all
 * of its choice points are decided by the set until task_set_destroy().
 */
int task_set_create(struct alloc *a, uint64_t seed, struct task_set **set);
/* All tasks must have been joined. */
void task_set_destroy(struct task_set *set);

/* Starts fn(arg). @name: at most 15 characters are kept. 0, -ENOMEM, -EAGAIN. */
int task_spawn(struct task_set *set, const char *name, void (*fn)(void *arg), void *arg, struct task **task);
/* Waits for its end and frees it. */
void task_join(struct task *task);

/* State of one wait loop. Zero-initialise before the loop. */
struct task_spin {
	unsigned int turns;
};

/* One turn of a wait loop: a pause, now and then sched_yield(); steered: another task runs. */
void task_relax(struct task_spin *spin);

#endif
