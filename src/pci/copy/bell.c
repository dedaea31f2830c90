/* SPDX-License-Identifier: MIT */
/*
 * The doorbell. The ringer counts up, then looks for sleepers; a sleeper announces
 * itself, then looks at the count. Both in sequentially consistent order, so at
 * least one sees the other; the mutex closes the rest of the gap.
 */
#include "pci/copy/bell.h"

#include "base/task.h"

/* About the time that a descriptor of a busy ring takes to arrive; a sleep costs a system call on each side.
 */
#define SPIN_TURNS 256

void bell_init(struct bell *bell)
{
	atomic_init(&bell->rings, 0);
	atomic_init(&bell->sleepers, 0);
	pthread_mutex_init(&bell->mutex, NULL);
	pthread_cond_init(&bell->cond, NULL);
}

void bell_fini(struct bell *bell)
{
	pthread_cond_destroy(&bell->cond);
	pthread_mutex_destroy(&bell->mutex);
}

void bell_ring(struct bell *bell)
{
	atomic_fetch_add_explicit(&bell->rings, 1, memory_order_seq_cst);
	if (!atomic_load_explicit(&bell->sleepers, memory_order_seq_cst))
		return;
	/* With the mutex a sleeper is either before its look at the count or asleep already. */
	pthread_mutex_lock(&bell->mutex);
	pthread_cond_broadcast(&bell->cond);
	pthread_mutex_unlock(&bell->mutex);
}

uint32_t bell_look(struct bell *bell)
{
	return atomic_load_explicit(&bell->rings, memory_order_seq_cst);
}

#ifdef UIOMMU_STEERED

void bell_wait(struct bell *bell, uint32_t seen)
{
	struct task_spin spin = { 0 };

	(void)bell;
	(void)seen;
	task_relax(&spin);
}

#else

void bell_wait(struct bell *bell, uint32_t seen)
{
	struct task_spin spin = { 0 };

	for (int i = 0; i < SPIN_TURNS; i++) {
		if (bell_look(bell) != seen)
			return;
		task_relax(&spin);
	}
	pthread_mutex_lock(&bell->mutex);
	atomic_fetch_add_explicit(&bell->sleepers, 1, memory_order_seq_cst);
	while (bell_look(bell) == seen)
		pthread_cond_wait(&bell->cond, &bell->mutex);
	atomic_fetch_sub_explicit(&bell->sleepers, 1, memory_order_relaxed);
	pthread_mutex_unlock(&bell->mutex);
}

#endif
