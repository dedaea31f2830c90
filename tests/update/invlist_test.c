/* SPDX-License-Identifier: MIT */
/* Invalidation lists against an array that is searched wholly; their cost; two threads. */
#include "update/invlist.h"

#include <errno.h>
#include <pthread.h>

#include "update/util.h"

#define NODES 64

/* What the list should be: which nodes are on it. */
struct naive {
	struct inv_node node[NODES];
	bool on[NODES];
};

static bool same_key(const struct inv_node *a, const struct inv_node *b)
{
	return a->tag == b->tag && a->pasid == b->pasid;
}

static unsigned int naive_count(const struct naive *nv, const struct inv_node *key)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < NODES; i++)
		n += nv->on[i] && (!key || same_key(&nv->node[i], key));
	return n;
}

struct visits {
	unsigned int n;
	uint32_t tag[NODES], pasid[NODES];
};

static void visit(void *opaque, uint32_t tag, uint32_t pasid)
{
	struct visits *v = opaque;

	if (v->n < NODES) {
		v->tag[v->n] = tag;
		v->pasid[v->n] = pasid;
	}
	v->n++;
}

/* Distinct, ascending, and exactly those on the list. */
static void check_visits(struct naive *nv, struct inv_list *list)
{
	struct visits v = { 0 };

	inv_list_for_each_tag(list, visit, &v);
	assert_int_equal(v.n, list->n_keys);
	assert_in_range(v.n, 0, NODES);
	for (unsigned int i = 0; i < v.n; i++) {
		struct inv_node key = { .tag = v.tag[i], .pasid = v.pasid[i] };

		assert_true(naive_count(nv, &key) > 0);
		if (i)
			assert_true(v.tag[i - 1] < v.tag[i] ||
				    (v.tag[i - 1] == v.tag[i] && v.pasid[i - 1] < v.pasid[i]));
	}
	for (unsigned int i = 0; i < NODES; i++) {
		bool found = !nv->on[i];

		for (unsigned int j = 0; j < v.n; j++)
			found |= v.tag[j] == nv->node[i].tag && v.pasid[j] == nv->node[i].pasid;
		assert_true(found);
	}
}

/* Invariants 1 and 2 of the header. */
static void check_rings(struct naive *nv, struct inv_list *list)
{
	const struct inv_node *leader = &list->head, *head = &list->head;
	unsigned int n = 0, in_key = 0;

	for (const struct inv_node *i = head->next; i != head; i = i->next, n++) {
		assert_ptr_equal(i->next->prev, i);
		if (i->key_next) {
			if (leader != head)
				assert_int_equal(leader->n_key, in_key);
			assert_ptr_equal(leader->key_next, i);
			assert_ptr_equal(i->key_prev, leader);
			leader = i;
			in_key = 0;
		} else {
			assert_true(leader != head && same_key(leader, i));
		}
		in_key++;
	}
	if (leader != head)
		assert_int_equal(leader->n_key, in_key);
	assert_ptr_equal(leader->key_next, head);
	assert_int_equal(n, list->n);
	assert_int_equal(n, naive_count(nv, NULL));
}

static void random_adds_and_dels(void **state)
{
	uint64_t seed = test_seed();
	struct naive nv = { 0 };
	struct inv_list list;

	inv_list_init(&list);
	for (unsigned int turn = 0; turn < 20000; turn++) {
		unsigned int i = (unsigned int)(rnd(&seed) % NODES);
		struct inv_node *node = &nv.node[i];

		if (nv.on[i]) {
			nv.on[i] = false;
			assert_int_equal(inv_list_del(&list, node), naive_count(&nv, node));
			assert_null(node->list);
			assert_null(node->prev);
			assert_null(node->next);
		} else {
			uint64_t r = rnd(&seed);

			/* Few keys in some stretches, many in others. */
			node->tag = (uint32_t)(turn / 1000 % 2 ? r % 3 : r);
			node->pasid = r >> 32 & 1 ? UINT32_MAX : (uint32_t)(r >> 33 & 3);
			node->rid = (uint16_t)(r >> 48);
			inv_list_add(&list, node);
			assert_ptr_equal(node->list, &list);
			nv.on[i] = true;
		}
		if (turn % 7 == 0) {
			check_visits(&nv, &list);
			check_rings(&nv, &list);
		}
	}
}

/* A group of devices under one tag: what stands in the way of linear cost is a walk over equal nodes. */
static void many_devices_one_tag(void **state)
{
	enum { MANY = 200000 };
	struct inv_node *node = test_calloc(MANY, sizeof(*node));
	struct visits v = { 0 };
	struct inv_list list;

	inv_list_init(&list);
	/* Quadratic cost would be 2e10 steps each way, minutes. */
	for (unsigned int i = 0; i < MANY; i++) {
		node[i].tag = i % 3;
		node[i].rid = (uint16_t)(i * 40503u);
		inv_list_add(&list, &node[i]);
	}
	inv_list_for_each_tag(&list, visit, &v);
	assert_int_equal(v.n, 3);
	for (unsigned int i = 0; i < MANY; i++)
		assert_int_equal(inv_list_del(&list, &node[i]), (MANY - i - 1) / 3);
	assert_int_equal(list.n, 0);
	assert_int_equal(list.n_keys, 0);
	test_free(node);
}

/* Tags come and go in order, mostly: each is found from the end that is near. */
static void many_tags_in_order(void **state)
{
	enum { MANY = 200000 };
	struct inv_node *node = test_calloc(MANY, sizeof(*node));
	struct inv_list list;

	inv_list_init(&list);
	for (unsigned int i = 0; i < MANY; i++) {
		node[i].tag = i;
		inv_list_add(&list, &node[i]);
	}
	assert_int_equal(list.n_keys, MANY);
	for (unsigned int i = 0; i < MANY / 2; i++)
		assert_int_equal(inv_list_del(&list, &node[i]), 0);
	for (unsigned int i = MANY / 2; i--;)
		inv_list_add(&list, &node[i]);
	for (unsigned int i = MANY; i--;)
		assert_int_equal(inv_list_del(&list, &node[i]), 0);
	assert_int_equal(list.n_keys, 0);
	test_free(node);
}

#define STORM_TAGS 5

struct storm {
	struct inv_list list;
	_Atomic unsigned int stop;
	unsigned int lost;
};

struct storm_arg {
	struct storm *storm;
	uint64_t seed;
	unsigned int base; /* tags of its own: base to base + STORM_TAGS - 1 */
};

static void storm_visit(void *opaque, uint32_t tag, uint32_t pasid)
{
	unsigned int *mask = opaque;

	*mask |= 1u << tag;
}

/* Adds and takes away nodes of its own tags, and always finds these and no others of its own. */
static void *storm_thread(void *opaque)
{
	struct storm_arg *arg = opaque;
	struct storm *s = arg->storm;
	struct inv_node node[20] = { { 0 } };
	unsigned int count[STORM_TAGS] = { 0 }, wrong = 0;
	uint64_t seed = arg->seed;

	for (unsigned int turn = 0; turn < 20000; turn++) {
		struct inv_node *n = &node[rnd(&seed) % 20];
		unsigned int mask = 0, want = 0;

		if (n->list) {
			count[n->tag - arg->base]--;
			wrong += inv_list_del(&s->list, n) != count[n->tag - arg->base];
		} else {
			n->tag = arg->base + (uint32_t)(rnd(&seed) % STORM_TAGS);
			inv_list_add(&s->list, n);
			count[n->tag - arg->base]++;
		}
		for (unsigned int i = 0; i < STORM_TAGS; i++)
			want |= (unsigned int)(count[i] != 0) << (arg->base + i);
		inv_list_for_each_tag(&s->list, storm_visit, &mask);
		wrong += (mask & ((1u << STORM_TAGS) - 1) << arg->base) != want;
	}
	for (unsigned int i = 0; i < 20; i++)
		if (node[i].list)
			inv_list_del(&s->list, &node[i]);
	return (void *)(uintptr_t)wrong;
}

static void two_threads(void **state)
{
	struct storm s = { 0 };
	struct storm_arg arg[2] = { { &s, test_seed(), 0 }, { &s, test_seed() + 1, STORM_TAGS } };
	pthread_t thread;
	void *wrong;

	inv_list_init(&s.list);
	assert_int_equal(pthread_create(&thread, NULL, storm_thread, &arg[1]), 0);
	assert_null(storm_thread(&arg[0]));
	pthread_join(thread, &wrong);
	assert_null(wrong);
	assert_int_equal(s.list.n, 0);
	assert_int_equal(s.list.n_keys, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_adds_and_dels),
		cmocka_unit_test(many_devices_one_tag),
		cmocka_unit_test(many_tags_in_order),
		cmocka_unit_test(two_threads),
	};

	return cmocka_run_group_tests_name("update.invlist", tests, NULL, NULL);
}
