/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of the calls on PASIDs, devices, defaults and resets failed in turn: afterwards
 * group and devices are byte for byte what they were, and nothing leaked. And those that
 * must get by without any allocation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "rig.h"

enum { DEVICES = 3 };

static struct uiommu_txn *txn;
static struct uiommu_device *added;

/* Device 1 has direct regions, device 2 may be deferred; PASIDs 1 and 17 are attached if @pasids. */
static void set_up(struct rig *r, bool pasids, bool deferred)
{
	const struct uiommu_resv_region region = {
		0x2000, 0x3fff, UIOMMU_RESV_DIRECT_RELAXABLE, UIOMMU_READ,
	};
	struct uiommu_device_opts opts = {
		.size = sizeof(opts), .max_pasids = UIOMMU_MAX_PASIDS, .regions = &region, .n_regions = 1,
	};

	rig_create(r, 1);
	r->m->account_maps = true;
	require(!uiommu_group_set_default_domain(r->group, r->domain[1]));
	require(!uiommu_device_add_opts(r->group, 1, &opts, &r->dev[1]));
	opts.deferred = deferred;
	opts.n_regions = 0;
	require(!uiommu_device_add_opts(r->group, 2, &opts, &r->dev[2]));
	if (!pasids)
		return;
	require(!uiommu_attach_pasid(r->group, 1, r->domain[2], &r->handle[1], NULL));
	require(!uiommu_attach_pasid(r->group, 17, r->domain[2], &r->handle[2], NULL));
}

static int go_attach(struct rig *r)
{
	return uiommu_attach_pasid(r->group, 1, r->domain[2], &r->handle[0], NULL);
}

static int go_replace(struct rig *r)
{
	return uiommu_replace_pasid(r->group, 17, r->domain[3], &r->handle[3], NULL, NULL);
}

static int go_prepare(struct rig *r)
{
	struct uiommu_replace_target t[3] = {
		{ r->group, 17, r->domain[3], &r->handle[3] },
		{ r->group, UIOMMU_NO_PASID, r->domain[3], NULL },
		{ r->group, 1, r->domain[1], &r->handle[4] },
	};
	int err = uiommu_replace_prepare(r->ctx, t, 3, NULL, &txn, NULL);

	if (!err)
		uiommu_replace_abort(txn);
	return err;
}

static int go_add(struct rig *r)
{
	const struct uiommu_resv_region regions[] = {
		{ 0x5000, 0x5fff, UIOMMU_RESV_DIRECT, UIOMMU_READ },
		{ 0x8000, 0x8fff, UIOMMU_RESV_RESERVED, 0 },
	};
	const uint16_t aliases[] = { 20, 21, 20, 0 };
	struct uiommu_device_opts opts = {
		.size = sizeof(opts), .regions = regions, .n_regions = 2, .aliases = aliases, .n_aliases = 4,
	};

	return uiommu_device_add_opts(r->group, 8, &opts, &added);
}

static int go_default(struct rig *r)
{
	return uiommu_group_setup_default(r->group, UIOMMU_DEFAULT_IDENTITY);
}

static int go_caller_default(struct rig *r)
{
	return uiommu_group_set_default_domain(r->group, r->domain[3]);
}

static int go_regions(struct rig *r)
{
	struct uiommu_resv_region region;
	unsigned int n;

	return uiommu_group_resv_regions(r->group, &region, 1, &n);
}

static int go_reset(struct rig *r)
{
	return uiommu_reset_prepare(r->dev[1]);
}

static int go_deferred(struct rig *r)
{
	return uiommu_device_attach_deferred(r->dev[2]);
}

static int go_claim(struct rig *r)
{
	return uiommu_group_claim_dma_owner(r->group, r);
}

/* All that must not fail; nothing is left to be allocated. */
static int go_no_allocation(struct rig *r)
{
	long fail = atomic_load(&r->ctx->alloc.fail_in);

	alloc_fail_nth(&r->ctx->alloc, 0);
	require(!uiommu_reset_prepare(r->dev[0]));
	alloc_fail_nth(&r->ctx->alloc, fail);
	uiommu_detach_pasid(r->group, 1);
	uiommu_block_group(r->group);
	uiommu_detach_group(r->group);
	uiommu_device_remove(r->dev[2]);
	r->dev[2] = NULL;
	uiommu_detach_pasid(r->group, 17);
	require(!uiommu_group_claim_dma_owner(r->group, r) == !r->group->resetting);
	return 0;
}

struct call {
	int (*go)(struct rig *r);
	bool pasids;
	int least, most;		/* allocations that it makes */
};

static const struct call calls[] = {
	/* PASID and its two arrays; per device the attachment and two of the mock's. */
	{ go_attach, false, 12, 12 },
	/* The mock's only, one per device. */
	{ go_replace, true, 3, 3 },
	/* Transaction, parts, order, runs, slots; the mock's. */
	{ go_prepare, true, 14, 14 },
	{ go_add, false, 11, 16 },
	{ go_default, false, 3, 6 },
	{ go_caller_default, false, 2, 4 },
	{ go_regions, false, 1, 1 },
	/* The array of slots. */
	{ go_reset, true, 1, 1 },
	{ go_deferred, false, 0, 0 },
	{ go_claim, false, 0, 0 },
	{ go_no_allocation, true, 0, 0 },
};

struct snapshot {
	struct uiommu_group group;
	struct uiommu_device dev[DEVICES];
	struct uiommu_attach_handle *handle[2];
	bool pages[RIG_DOMAINS][MOCK_PAGES];
	unsigned int users[RIG_DOMAINS], domains;
	long live;
};

static void take(struct snapshot *s, struct rig *r)
{
	memset(s, 0, sizeof(*s));
	memcpy(&s->group, r->group, sizeof(s->group));
	for (unsigned int i = 0; i < DEVICES; i++) {
		memcpy(&s->dev[i], r->dev[i], sizeof(s->dev[i]));
		memset(&s->dev[i].att.slot, 0, sizeof(s->dev[i].att.slot));
	}
	for (unsigned int i = 0; i < RIG_DOMAINS; i++) {
		memcpy(s->pages[i], ((struct mock_domain *)r->domain[i])->page, sizeof(s->pages[i]));
		s->users[i] = domain_users(r->domain[i]);
	}
	uiommu_attach_handle_get(r->group, 1, -1, &s->handle[0]);
	uiommu_attach_handle_get(r->group, 17, -1, &s->handle[1]);
	s->domains = r->iommu->domains;
	s->live = atomic_load(&r->ctx->alloc.live);
}

static int fail_each(const struct call *call)
{
	static struct snapshot before, after;
	struct rig r;
	int n, err;

	set_up(&r, call->pasids, call->go == go_deferred);
	for (n = 1;; n++) {
		take(&before, &r);
		alloc_fail_nth(&r.ctx->alloc, n);
		err = call->go(&r);
		if (atomic_load(&r.ctx->alloc.fail_in))
			require(!err);
		alloc_fail_nth(&r.ctx->alloc, 0);
		if (!err)
			break;
		require(err == -ENOMEM);
		mock_check(r.iommu);
		take(&after, &r);
		if (memcmp(&before, &after, sizeof(before)))
			fail_msg("call %u left something behind after allocation %d failed",
				 (unsigned int)(call - calls), n);
	}
	for (struct uiommu_device *dev = r.group->devices; dev; dev = dev->next)
		while (dev->resets)
			uiommu_reset_done(dev);
	mock_check(r.iommu);
	if (call->go == go_add)
		uiommu_device_remove(added);
	rig_destroy(&r);
	return n - 1;
}

static void test_each(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		int n = fail_each(&calls[i]);

		if (n < calls[i].least || n > calls[i].most)
			fail_msg("call %zu made %d allocations", i, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
