/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of every call failed in turn: afterwards the memory of all
 * objects of core and mock is byte for byte what it was (but for the scratch of a
 * device's slot and the mock's call counters), and nothing leaked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

struct snapshot {
	long live;
	size_t n;
	unsigned char bytes[1 << 16];
};

static void put(struct snapshot *s, const void *p, size_t size)
{
	require(s->n + size <= sizeof(s->bytes));
	memcpy(s->bytes + s->n, p, size);
	s->n += size;
}

static struct snapshot *take(struct world *w)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	require(s);
	s->live = w->ctx->alloc.live;
	for (int g = 0; g < M_GROUPS; g++) {
		struct uiommu_group group = *w->group[g];

		put(s, &group, sizeof(group));
	}
	for (int d = 0; d < M_DEVS; d++) {
		struct uiommu_device dev;

		if (!w->dev[d])
			continue;
		dev = *w->dev[d];
		memset(&dev.att.slot, dev.att.slot.state, sizeof(dev.att.slot));
		put(s, &dev, sizeof(dev));
	}
	for (int d = 1; d < M_DOMAINS; d++)
		if (w->domain[d])
			put(s, w->domain[d], sizeof(struct mock_domain));
	for (int i = 0; i < 2; i++) {
		struct mock_iommu *m = to_mock(w->iommu[i]);

		put(s, &m->base, sizeof(m->base));
		put(s, m->hw, sizeof(m->hw));
		put(s, m->base.blocking, sizeof(struct mock_domain));
	}
	return s;
}

static void compare(const struct snapshot *before, struct world *w)
{
	struct snapshot *after = take(w);

	require(before->live == after->live && before->n == after->n);
	require(!memcmp(before->bytes, after->bytes, before->n));
	free(after);
}

/* Calls: 0 or -errno. undo takes back a success. */
struct call {
	const char *name;
	int (*go)(struct world *w);
	void (*undo)(struct world *w);
	int least;		/* allocations that it makes at least */
	int most;
};

static struct uiommu_group *new_group;
static struct uiommu_device *new_dev;
static struct uiommu_domain *new_domain;
static struct uiommu_txn *new_txn;

static int go_group(struct world *w)
{
	return uiommu_group_create(w->iommu[0], &new_group);
}

static void undo_group(struct world *w)
{
	uiommu_group_destroy(new_group);
}

static int go_domain(struct world *w)
{
	struct uiommu_domain_opts opts = { .size = sizeof(opts), .type = UIOMMU_DOMAIN_PAGING };

	return uiommu_domain_alloc(w->iommu[0], &opts, &new_domain);
}

static void undo_domain(struct world *w)
{
	require(!uiommu_domain_free(new_domain));
}

/* To a group on a user's domain, whose array of slots is full. */
static int go_add(struct world *w)
{
	require(w->group[0]->n_devices == w->group[0]->n_slots);
	return uiommu_device_add(w->group[0], 9, &new_dev);
}

static void undo_add(struct world *w)
{
	uiommu_device_remove(new_dev);
}

static int go_attach(struct world *w)
{
	return uiommu_attach_group(w->group[1], w->domain[2], NULL);
}

static void undo_attach(struct world *w)
{
	uiommu_detach_group(w->group[1]);
}

static int go_replace(struct world *w)
{
	struct uiommu_report report;

	return uiommu_group_replace_domain(w->group[0], w->domain[2], NULL, &report);
}

static void undo_replace(struct world *w)
{
	require(!uiommu_group_replace_domain(w->group[0], w->domain[1], NULL, NULL));
}

static int go_default(struct world *w)
{
	return uiommu_group_set_default_domain(w->group[1], w->domain[3]);
}

static void undo_default(struct world *w)
{
	require(!uiommu_group_set_default_domain(w->group[1], w->iommu[0]->blocking));
}

static int go_prepare(struct world *w)
{
	struct uiommu_replace_target t[3] = {
		{ w->group[2], UIOMMU_NO_PASID, w->domain[8], NULL },
		{ w->group[0], UIOMMU_NO_PASID, w->domain[3], NULL },
		{ w->group[1], UIOMMU_NO_PASID, w->domain[3], NULL },
	};

	return uiommu_replace_prepare(w->ctx, t, 3, NULL, &new_txn, NULL);
}

static void undo_prepare(struct world *w)
{
	uiommu_replace_abort(new_txn);
}

/* These must get by without any allocation. */
static int go_detach(struct world *w)
{
	uiommu_detach_group(w->group[0]);
	return 0;
}

static int go_block(struct world *w)
{
	uiommu_block_group(w->group[0]);
	return 0;
}

static int go_commit(struct world *w)
{
	long fail = w->ctx->alloc.fail_in;

	alloc_fail_nth(&w->ctx->alloc, 0);
	require(!go_prepare(w));
	alloc_fail_nth(&w->ctx->alloc, fail);
	return uiommu_replace_commit(new_txn, NULL);
}

static void undo_commit(struct world *w)
{
	undo_replace(w);
	uiommu_detach_group(w->group[1]);
	uiommu_detach_group(w->group[2]);
}

static const struct call calls[] = {
	{ "group_create", go_group, undo_group, 1, 1 },
	{ "domain_alloc", go_domain, undo_domain, 1, 1 },
	/* Device, its driver's part, slots, driver's reservation. */
	{ "device_add", go_add, undo_add, 4, 4 },
	/* Only the mock's own, one per device. */
	{ "attach", go_attach, undo_attach, 1, 1 },
	{ "replace", go_replace, undo_replace, 4, 4 },
	{ "set_default", go_default, undo_default, 1, 1 },
	/* Transaction, parts, order, runs, slots; the mock's six. */
	{ "prepare", go_prepare, undo_prepare, 11, 11 },
	{ "commit", go_commit, undo_commit, 0, 0 },
	{ "detach", go_detach, undo_replace, 0, 0 },
	{ "block", go_block, undo_replace, 0, 0 },
};

static struct world *populated(void)
{
	struct world *w = world_create();

	for (int d = 1; d <= 3; d++)
		world_alloc(w, d);
	world_alloc(w, 8);
	for (int d = 0; d <= 3; d++)
		world_add(w, 0, d);
	world_add(w, 1, 4);
	world_add(w, 2, 16);
	world_replace(w, 0, 1);
	return w;
}

static void fail_each(const struct call *call)
{
	struct world *w = populated();
	int n, err;

	for (n = 1;; n++) {
		struct snapshot *before = take(w);

		alloc_fail_nth(&w->ctx->alloc, n);
		err = call->go(w);
		/* Still armed: it needed fewer. */
		if (w->ctx->alloc.fail_in)
			require(!err);
		alloc_fail_nth(&w->ctx->alloc, 0);
		if (!err) {
			free(before);
			break;
		}
		require(err == -ENOMEM);
		compare(before, w);
		free(before);
	}
	if (n - 1 < call->least || n - 1 > call->most)
		fail_msg("%s made %d allocations", call->name, n - 1);
	call->undo(w);
	world_compare(w);
	world_destroy(w);
}

static void test_each(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		fail_each(&calls[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
