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
 * of its choice points are decided by the set until task_set_destroy(), which it
 * must call itself. A second call in the same thread joins the set that is there
 * (its allocator and seed stay), so that engines and queues which make a set of their
 * own take part in a steered run; the last destroy ends it.
 * 0, -ENOMEM.
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

/*
 * For a task that works without end, at a point where nobody waits for it (between
 * two DMA batches): gives the CPU away if somebody wants it. Without it the scheduler
 * takes the CPU in the middle of a batch, and who drains waits for a time slice.
 * Not at every call, since between two batches a device is not normally idle.
 */
void task_pass(struct task_spin *spin);

#ifdef UIOMMU_STEERED

#include "base/choice.h"

/*
 * A script in place of the adversary; NULL gives the adversary back.
 *
 * @pick is asked at each choice. With @tasks false it answers a choose(): a number in
 * [0, n), larger ones are taken modulo n. With @tasks true it names the task that goes
 * on: 0 is the set's creator, k the k-th task spawned, n the number of them all. If that
 * task has ended, or in task_relax() (CHOICE_WAIT) is the one that waits, then in
 * task_relax() the next one in order runs and elsewhere the running one goes on. Every
 * 64th turn of a wait loop is not asked about: the task that waited longest gets it.
 * It runs on the stack of the task that chooses and must not choose or wait itself.
 */
typedef unsigned int (*task_pick_fn)(void *opaque, enum choice_point point, bool tasks, unsigned int n);
void task_set_script(struct task_set *set, task_pick_fn pick, void *opaque);

/* Number of the running task, as scripts name them. */
unsigned int task_set_running(const struct task_set *set);
/* Choices made so far. */
uint64_t task_set_choices(const struct task_set *set);
/* A hash of all choices made so far and their answers: equal runs have equal ones. */
uint64_t task_set_trace(const struct task_set *set);

#endif

#endif
