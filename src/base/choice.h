/* SPDX-License-Identifier: MIT */
/*
 * Choice points: every place where hardware may choose. In production they are
 * constants and cost nothing. In the steered build (UIOMMU_STEERED) the running
 * task set's adversary, or a script, decides. Without a task set: 0, no switch.
 */
#ifndef BASE_CHOICE_H
#define BASE_CHOICE_H

#include <stdbool.h>

enum choice_point {
	CHOICE_STORE,		/* around a driver's entry store */
	CHOICE_REGISTER,	/* around a register access of a driver */
	CHOICE_FETCH,		/* between two granules of an entry */
	CHOICE_FETCH_ORDER,	/* which granule next */
	CHOICE_WALK,		/* between two levels of a page-table walk */
	CHOICE_FILL,		/* cache what was read? 0: yes */
	CHOICE_EVICT,		/* drop a cached entry before lookup? 0: no */
	CHOICE_HIT,		/* use the cached entry (0) or read memory again (1) */
	CHOICE_COMMAND,		/* which of the commands between two fences next */
	CHOICE_LAND,		/* between translation and the data access */
	CHOICE_CORE,		/* between two steps of the core */
	CHOICE_WAIT,		/* a turn of a wait loop */
};

#ifdef UIOMMU_STEERED

/* A number in [0, n). */
unsigned int choose(enum choice_point point, unsigned int n);
/* Other tasks may run here. */
void choice_interleave(enum choice_point point);

#else

static inline unsigned int choose(enum choice_point point, unsigned int n)
{
	(void)point;
	(void)n;
	return 0;
}

static inline void choice_interleave(enum choice_point point)
{
	(void)point;
}

#endif
#endif
