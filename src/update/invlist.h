/* SPDX-License-Identifier: MIT */
/*
 * Invalidation lists: under which tags a domain's tables may be cached, and for
 * which devices. An unmap clears entries, then reads the list and flushes what
 * it names; a replacement adds to the new domain's list before the first store
 * and takes away from the old one's after the last flush completed. One lock per
 * list orders the two: an unmapper that did not see a node cleared its entries
 * before the node's device could fetch them.
 *
 * Nodes belong to the caller (a driver keeps two per attachment) so that adding
 * cannot fail.
 */
#ifndef UPDATE_INVLIST_H
#define UPDATE_INVLIST_H

#include <stdint.h>

#include "base/lock.h"

struct inv_node {
	struct inv_node *prev, *next;	/* NULL: on no list */
	uint32_t tag;
	uint32_t pasid;			/* PASID of the tag, or UIOMMU_NO_PASID */
	uint16_t rid;
	bool device_tlb;		/* the device caches translations itself */
};

struct inv_list {
	struct lock lock;
	struct inv_node head;		/* ring, ordered by (tag, pasid, rid) */
	unsigned int n;
};

void inv_list_init(struct inv_list *list);
void inv_list_add(struct inv_list *list, struct inv_node *node);
/* Returns how many nodes with the same tag and PASID remain. */
unsigned int inv_list_del(struct inv_list *list, struct inv_node *node);

/* What to flush: distinct (tag, pasid); visit is called under the list's lock and must not block. */
void inv_list_for_each_tag(struct inv_list *list, void (*visit)(void *opaque, uint32_t tag, uint32_t pasid),
			   void *opaque);

#endif
