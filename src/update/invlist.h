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
 * cannot fail. The list uses them from inv_list_add() to inv_list_del().
 *
 * 1. The ring from head holds all nodes, ordered by (tag, pasid). Nodes of one
 *    (tag, pasid) stand together, in no order.
 * 2. The first of them is their leader: it has key_next and key_prev, the ring of
 *    leaders from head, and counts them. So a group of many devices that share a
 *    tag costs as much as one device.
 */
#ifndef UPDATE_INVLIST_H
#define UPDATE_INVLIST_H

#include <stdint.h>

#include "base/lock.h"

struct inv_list;

struct inv_node {
	/*
	 * The list it is on, or NULL. Changes in calls with this very node only, so
	 * that its owner may look without the list's lock.
	 */
	struct inv_list *list;
	struct inv_node *prev, *next;	      /* neighbours; they change with other nodes' calls */
	struct inv_node *key_prev, *key_next; /* leaders only, else NULL */
	unsigned int n_key;		      /* leaders only: nodes of this (tag, pasid) */
	/* Set by the caller before adding, not changed while on a list: */
	uint32_t tag;
	uint32_t pasid; /* PASID of the tag, or UIOMMU_NO_PASID */
	uint16_t rid;
	bool device_tlb; /* the device caches translations itself */
};

struct inv_list {
	struct lock lock;     /* all below and all nodes on it; the owner may protect more by it */
	struct inv_node head; /* of both rings */
	unsigned int n;
	unsigned int n_keys; /* distinct (tag, pasid) */
};

/* Empty. Nothing to undo. */
void inv_list_init(struct inv_list *list);
/*
 * Adds a node that is on no list (it may be zeroed but for the caller's fields).
 * Any thread. O(1) for a (tag, pasid) near either end, O(distinct ones) at worst.
 * When it returns, whoever reads the list sees the node; only then may an entry
 * with its tag be stored.
 */
void inv_list_add(struct inv_list *list, struct inv_node *node);
/*
 * Takes a node of this list out. Returns how many nodes with the same tag and
 * PASID remain. Any thread; costs as inv_list_add().
 */
unsigned int inv_list_del(struct inv_list *list, struct inv_node *node);
/* The same for who holds list->lock already, because a change of the list is part of a larger one. */
void inv_list_add_locked(struct inv_list *list, struct inv_node *node);
unsigned int inv_list_del_locked(struct inv_list *list, struct inv_node *node);

/*
 * What to flush: distinct (tag, pasid), in ascending order; visit is called under
 * the list's lock and must not block. Any thread.
 */
void inv_list_for_each_tag(struct inv_list *list, void (*visit)(void *opaque, uint32_t tag, uint32_t pasid),
			   void *opaque);

#endif
