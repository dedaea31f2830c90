/* SPDX-License-Identifier: MIT */
/*
 * Invalidation lists as two rings through the same nodes: all nodes, and the
 * leaders of equal (tag, pasid). A key is looked for among the leaders, from both
 * ends at once, because tags are mostly added in order and taken away at an end.
 */
#include "update/invlist.h"

#include <assert.h>
#include <stddef.h>

static uint64_t key(const struct inv_node *node)
{
	return (uint64_t)node->tag << 32 | node->pasid;
}

void inv_list_init(struct inv_list *list)
{
	*list = (struct inv_list){ 0 };
	lock_init(&list->lock);
	list->head.prev = list->head.next = &list->head;
	list->head.key_prev = list->head.key_next = &list->head;
}

/* The first leader whose key is not below @k, or head. */
static struct inv_node *find(struct inv_list *list, uint64_t k)
{
	struct inv_node *up = list->head.key_next, *down = &list->head;

	for (;;) {
		if (up == &list->head || key(up) >= k)
			return up;
		if (down->key_prev == &list->head || key(down->key_prev) < k)
			return down;
		up = up->key_next;
		down = down->key_prev;
	}
}

/* Into the ring of all nodes, before @at. */
static void link_before(struct inv_node *at, struct inv_node *node)
{
	node->prev = at->prev;
	node->next = at;
	at->prev->next = node;
	at->prev = node;
}

void inv_list_add_locked(struct inv_list *list, struct inv_node *node)
{
	struct inv_node *at = find(list, key(node));

	if (at != &list->head && key(at) == key(node)) {
		link_before(at->next, node); /* after the leader */
		node->key_prev = node->key_next = NULL;
		node->n_key = 0;
		at->n_key++;
	} else {
		link_before(at, node);
		node->key_prev = at->key_prev;
		node->key_next = at;
		at->key_prev->key_next = node;
		at->key_prev = node;
		node->n_key = 1;
		list->n_keys++;
	}
	node->list = list;
	list->n++;
}

void inv_list_add(struct inv_list *list, struct inv_node *node)
{
	lock_take(&list->lock);
	inv_list_add_locked(list, node);
	lock_drop(&list->lock);
}

/* The leader @node goes: its neighbour, if of the same key, leads from now on. */
static void hand_over(struct inv_list *list, struct inv_node *node)
{
	struct inv_node *heir = node->next;

	assert(node->key_prev && node->key_next);
	if (node->n_key > 1) {
		heir->key_prev = node->key_prev;
		heir->key_next = node->key_next;
		heir->n_key = node->n_key - 1;
		heir->key_prev->key_next = heir;
		heir->key_next->key_prev = heir;
	} else {
		node->key_prev->key_next = node->key_next;
		node->key_next->key_prev = node->key_prev;
		list->n_keys--;
	}
}

unsigned int inv_list_del_locked(struct inv_list *list, struct inv_node *node)
{
	struct inv_node *leader = node->key_next ? node : find(list, key(node));
	unsigned int left = leader->n_key - 1;

	if (leader == node)
		hand_over(list, node);
	else
		leader->n_key = left;
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->prev = node->next = NULL;
	node->key_prev = node->key_next = NULL;
	node->n_key = 0;
	node->list = NULL;
	list->n--;
	return left;
}

unsigned int inv_list_del(struct inv_list *list, struct inv_node *node)
{
	unsigned int left;

	lock_take(&list->lock);
	left = inv_list_del_locked(list, node);
	lock_drop(&list->lock);
	return left;
}

void inv_list_for_each_tag(struct inv_list *list, void (*visit)(void *opaque, uint32_t tag, uint32_t pasid),
			   void *opaque)
{
	lock_take(&list->lock);
	for (struct inv_node *node = list->head.key_next; node != &list->head; node = node->key_next)
		visit(opaque, node->tag, node->pasid);
	lock_drop(&list->lock);
}
