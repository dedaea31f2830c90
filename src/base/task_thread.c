/* SPDX-License-Identifier: MIT */
/* Tasks as threads: the production build. Choice points are constants here (base/choice.h). */
#ifndef UIOMMU_STEERED

#include "base/task.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "base/alloc.h"

/* Pauses between two sched_yield(): long enough for a short batch, short when threads outnumber cores. */
#define SPINS_PER_YIELD 64
#define PASSES_PER_YIELD 8

struct task_set {
	struct alloc *alloc;
};

struct task {
	struct alloc *alloc;
	pthread_t thread;
	void (*fn)(void *arg);
	void *arg;
	char name[16];		/* with its 0: what the kernel keeps of it */
};

int task_set_create(struct alloc *a, uint64_t seed, struct task_set **set)
{
	struct task_set *s = alloc_struct(a, struct task_set);

	(void)seed;
	if (!s)
		return -ENOMEM;
	s->alloc = a;
	*set = s;
	return 0;
}

void task_set_destroy(struct task_set *set)
{
	alloc_free(set->alloc, set);
}

static void *task_main(void *opaque)
{
	struct task *t = opaque;

	/* A name is a courtesy to debuggers; that it cannot be set changes nothing. */
	pthread_setname_np(pthread_self(), t->name);
	t->fn(t->arg);
	return NULL;
}

int task_spawn(struct task_set *set, const char *name, void (*fn)(void *arg), void *arg, struct task **task)
{
	struct task *t = alloc_struct(set->alloc, struct task);
	int err;

	if (!t)
		return -ENOMEM;
	t->alloc = set->alloc;
	t->fn = fn;
	t->arg = arg;
	snprintf(t->name, sizeof(t->name), "%.15s", name);
	err = pthread_create(&t->thread, NULL, task_main, t);
	if (err) {
		alloc_free(t->alloc, t);
		return -err;
	}
	*task = t;
	return 0;
}

void task_join(struct task *task)
{
	pthread_join(task->thread, NULL);
	alloc_free(task->alloc, task);
}

static inline void pause_cpu(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

void task_relax(struct task_spin *spin)
{
	if (++spin->turns % SPINS_PER_YIELD)
		pause_cpu();
	else
		sched_yield();
}

void task_pass(struct task_spin *spin)
{
	if (!(++spin->turns % PASSES_PER_YIELD))
		sched_yield();
}

#endif
