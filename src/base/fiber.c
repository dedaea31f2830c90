/* SPDX-License-Identifier: MIT */
/*
 * Steered build: stacks and switches. A fiber has a guard page below its stack;
 * ASan is told of each switch, TSan treats each fiber as a thread of its own whose
 * switches order it after the fiber that it came from.
 */
#ifdef UIOMMU_STEERED

#include "base/fiber.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/sanitize.h"

#define STACK_SIZE ((size_t)256 << 10)

#if BUILD_ASAN
void __sanitizer_start_switch_fiber(void **fake_stack_save, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *fake_stack_save, const void **bottom_old, size_t *size_old);
#endif
#if BUILD_TSAN
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned int flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned int flags);
#endif

static _Thread_local struct task_set *bound_set;

struct task_set *fiber_set(void)
{
	return bound_set;
}

/* The creator runs on the thread's own stack; ASan wants to know its bounds. */
static void creator_stack(struct task *t)
{
	pthread_attr_t attr;
	void *low;

	if (pthread_getattr_np(pthread_self(), &attr))
		return;
	if (!pthread_attr_getstack(&attr, &low, &t->stack_size))
		t->stack = low;
	pthread_attr_destroy(&attr);
}

void fiber_bind(struct task_set *set)
{
	bound_set = set;
	if (!set)
		return;
	if (BUILD_ASAN)
		creator_stack(set->first);
#if BUILD_TSAN
	set->first->tsan_fiber = __tsan_get_current_fiber();
#endif
}

/* First thing on a stack that was switched to. */
static void arrived(struct task *t)
{
	(void)t;
#if BUILD_ASAN
	__sanitizer_finish_switch_fiber(t->asan_fake_stack, NULL, NULL);
#endif
}

static void leaving(struct task *from, struct task *to, bool for_good)
{
	(void)from;
	(void)to;
	(void)for_good;
#if BUILD_ASAN
	__sanitizer_start_switch_fiber(for_good ? NULL : &from->asan_fake_stack, to->stack, to->stack_size);
#endif
#if BUILD_TSAN
	__tsan_switch_to_fiber(to->tsan_fiber, 0);
#endif
}

void fiber_switch(struct task_set *set, struct task *t)
{
	struct task *from = set->running;

	set->running = t;
	t->ran = set->clock;
	leaving(from, t, false);
	swapcontext(&from->context, &t->context);
	arrived(from);
}

void fiber_leave(struct task_set *set, struct task *t)
{
	struct task *from = set->running;

	set->running = t;
	t->ran = set->clock;
	leaving(from, t, true);
	setcontext(&t->context);
	/* setcontext() fails only on a context that is none. */
	abort();
}

/* makecontext() passes ints only. */
static void fiber_entry(unsigned int hi, unsigned int lo)
{
	struct task *t = (struct task *)(uintptr_t)((uint64_t)hi << 32 | lo);

	arrived(t);
	fiber_main(t);
}

int fiber_prepare(struct task *t)
{
	size_t guard = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t self = (uint64_t)(uintptr_t)t;
	char *area;

	if (alloc_should_fail(t->set->alloc))
		return -ENOMEM;
	area = mmap(NULL, guard + STACK_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (area == MAP_FAILED)
		return -ENOMEM;
	if (mprotect(area, guard, PROT_NONE) || getcontext(&t->context)) {
		munmap(area, guard + STACK_SIZE);
		return -ENOMEM;
	}
	alloc_count(t->set->alloc, 1);
	t->stack = area + guard;
	t->stack_size = STACK_SIZE;
	t->context.uc_stack.ss_sp = t->stack;
	t->context.uc_stack.ss_size = t->stack_size;
	t->context.uc_link = NULL;
	makecontext(&t->context, (void (*)(void))fiber_entry, 2, (unsigned int)(self >> 32), (unsigned int)self);
#if BUILD_TSAN
	t->tsan_fiber = __tsan_create_fiber(0);
#endif
	return 0;
}

void fiber_release(struct task *t)
{
	size_t guard = (size_t)sysconf(_SC_PAGESIZE);

#if BUILD_TSAN
	__tsan_destroy_fiber(t->tsan_fiber);
#endif
	munmap(t->stack - guard, guard + t->stack_size);
	alloc_count(t->set->alloc, -1);
}

#endif
