/* SPDX-License-Identifier: MIT */
/*
 * Read-copy-update. Production: liburcu's read side, which its authors let anyone inline
 * (_LGPL_SOURCE), except under TSan, which is told about the edges by hand and must not
 * see half of the rest, and in ASan builds, whose UBSan finds readers that liburcu does not
 * align as it declares them. Steered: a number per section, since all readers are fibers of
 * the calling thread.
 */
#include "base/rcu.h"

#ifndef UIOMMU_STEERED

#include "base/sanitize.h"

#if !BUILD_TSAN && !BUILD_ASAN
#define _LGPL_SOURCE
#endif
#include <urcu-bp.h>

#if BUILD_TSAN
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);

/* Only its address is used: the end of each section happens before the end of each later wait. */
static char edge;
#endif

void rcu_section_begin(void)
{
	rcu_read_lock();
}

void rcu_section_end(void)
{
#if BUILD_TSAN
	__tsan_release(&edge);
#endif
	rcu_read_unlock();
}

void rcu_wait(void)
{
	synchronize_rcu();
#if BUILD_TSAN
	__tsan_acquire(&edge);
#endif
}

#else

#include "base/fiber.h"

/* Outside a task set the thread is alone and has nobody to wait for. */
void rcu_section_begin(void)
{
	struct task_set *set = fiber_set();

	if (set && !set->running->rcu_nest++)
		set->running->rcu_section = ++set->rcu_sections;
}

void rcu_section_end(void)
{
	struct task_set *set = fiber_set();

	if (set)
		set->running->rcu_nest--;
}

/* A task in a section that began before the call; it may end while it is looked at. */
static bool section_before(const struct task_set *set, uint64_t last)
{
	for (const struct task *t = set->first; t; t = t->next)
		if (t->rcu_nest && t->rcu_section <= last)
			return true;
	return false;
}

void rcu_wait(void)
{
	struct task_set *set = fiber_set();
	struct task_spin spin = { 0 };
	uint64_t last;

	if (!set)
		return;
	last = set->rcu_sections;
	while (section_before(set, last))
		task_relax(&spin);
}

#endif
