/* SPDX-License-Identifier: MIT */
/*
 * What is special about devices: options, reserved regions, direct mappings, aliases;
 * ownership and default domains. The rules of uiommu/device.h and uiommu/owner.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

#define NO_PASID UIOMMU_NO_PASID
#define RW (UIOMMU_READ | UIOMMU_WRITE)

static int add(struct rig *r, uint16_t rid, const struct uiommu_device_opts *opts)
{
	struct uiommu_device *dev = NULL;
	int err = uiommu_device_add_opts(r->group, rid, opts, &dev);

	require(!err == !!dev);
	if (dev)
		r->dev[rid] = dev;
	return err;
}

static int add_regions(struct rig *r, uint16_t rid, const struct uiommu_resv_region *regions, unsigned int n)
{
	struct uiommu_device_opts opts = { .size = sizeof(opts), .regions = regions, .n_regions = n };

	return add(r, rid, &opts);
}

static void take_out(struct rig *r, uint16_t rid)
{
	uiommu_device_remove(r->dev[rid]);
	r->dev[rid] = NULL;
}

static void test_options(void **state)
{
	struct uiommu_resv_region bad[] = {
		{ 5, 4, UIOMMU_RESV_RESERVED, 0 }, { 0, 4095, (enum uiommu_resv_type)5, 0 },
		{ 0, 4095, UIOMMU_RESV_DIRECT, 0 }, { 0, 4095, UIOMMU_RESV_DIRECT_RELAXABLE, 0 },
		{ 0, 4095, UIOMMU_RESV_MSI, 4 },
	};
	struct uiommu_device_opts opts = { .size = sizeof(opts) - 1 };
	struct {
		struct uiommu_device_opts opts;
		char more;
	} more = { { .size = sizeof(more) }, 1 };
	struct rig r;

	(void)state;
	rig_create(&r, 0);
	assert_int_equal(add(&r, 0, &opts), -EINVAL);
	assert_int_equal(add(&r, 0, &more.opts), -E2BIG);
	opts = (struct uiommu_device_opts){ .size = sizeof(opts), .max_pasids = UIOMMU_MAX_PASIDS + 1 };
	assert_int_equal(add(&r, 0, &opts), -EINVAL);
	opts = (struct uiommu_device_opts){ .size = sizeof(opts), .n_regions = 1 };
	assert_int_equal(add(&r, 0, &opts), -EINVAL);
	opts = (struct uiommu_device_opts){ .size = sizeof(opts), .n_aliases = 1 };
	assert_int_equal(add(&r, 0, &opts), -EINVAL);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(add_regions(&r, 0, &bad[i], 1), -EINVAL);
		r.m->resv[0] = &bad[i];
		assert_int_equal(add(&r, 0, NULL), -EINVAL);
		r.m->resv[0] = NULL;
	}
	assert_int_equal(uiommu_device_add_opts(NULL, 0, NULL, &r.dev[0]), -EINVAL);
	assert_int_equal(uiommu_device_add_opts(r.group, 0, NULL, NULL), -EINVAL);
	assert_int_equal(add(&r, 0, NULL), 0);
	assert_int_equal(add(&r, 0, NULL), -EEXIST);
	assert_ptr_equal(uiommu_device_group(r.dev[0]), r.group);
	/* Calls that name the only device. */
	assert_int_equal(uiommu_attach_device(NULL, r.domain[1], NULL), -EINVAL);
	assert_int_equal(uiommu_attach_device(r.dev[0], r.domain[1], NULL), 0);
	uiommu_detach_device(r.dev[0]);
	uiommu_detach_device(NULL);
	assert_ptr_equal(uiommu_group_domain(r.group), r.blocking);
	assert_int_equal(add(&r, 1, NULL), 0);
	assert_int_equal(uiommu_attach_device(r.dev[0], r.domain[1], NULL), -EINVAL);
	require(!uiommu_attach_group(r.group, r.domain[1], NULL));
	uiommu_detach_device(r.dev[0]);
	assert_ptr_equal(uiommu_group_domain(r.group), r.domain[1]);
	rig_destroy(&r);
}

/* ---- reserved regions ---- */

static bool covered(const struct uiommu_resv_region *r, unsigned int n, uint64_t at, unsigned int type)
{
	for (unsigned int i = 0; i < n; i++)
		if (r[i].type == type && r[i].start <= at && at <= r[i].last)
			return true;
	return false;
}

/* The list says of each address and type what the devices say; it is sorted, and no two could be one. */
static void test_regions(void **state)
{
	uint64_t seed = 12345;

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct uiommu_resv_region all[24], merged[24];
		unsigned int n = 0, m;
		struct rig r;

		mock_seed((uint64_t)round);
		rig_create(&r, 0);
		for (uint16_t d = 0; d < 1 + round % 4; d++) {
			unsigned int first = n, count = rnd(&seed, 6);

			for (unsigned int i = 0; i < count; i++) {
				uint64_t start = rnd(&seed, 40), last = start + rnd(&seed, 8);

				if (one_in(&seed, 20))
					last = UINT64_MAX;
				all[n++] = (struct uiommu_resv_region){
					start, last, (enum uiommu_resv_type)rnd(&seed, 5), 1 + rnd(&seed, 3),
				};
			}
			if (count)
				r.m->resv[d] = &all[first];
			require(!add_regions(&r, d, all + first + (count > 0), count ? count - 1 : 0));
		}
		require(!uiommu_group_resv_regions(r.group, merged, 24, &m) && m <= n);
		for (uint64_t at = 0; at < 60; at++)
			for (unsigned int type = 0; type < 5; type++)
				require(covered(all, n, at, type) == covered(merged, m, at, type));
		for (unsigned int i = 0; i < m; i++) {
			for (unsigned int j = 0; j < i; j++) {
				struct uiommu_resv_region *x = &merged[j], *y = &merged[i];

				require(x->start < y->start || (x->start == y->start && x->type < y->type));
				require(x->type != y->type ||
					(x->last != UINT64_MAX && x->last + 1 < y->start));
			}
		}
		if (m) {
			unsigned int k = rnd(&seed, m);
			struct uiommu_resv_region some[24];

			require(uiommu_group_resv_regions(r.group, some, k, &n) == -EMSGSIZE && n == m);
			require(!k || !memcmp(some, merged, k * sizeof(some[0])));
		}
		rig_destroy(&r);
	}
}

static void test_region_arguments(void **state)
{
	struct uiommu_resv_region region;
	unsigned int n = 7;
	struct rig r;

	(void)state;
	rig_create(&r, 1);
	assert_int_equal(uiommu_group_resv_regions(NULL, &region, 1, &n), -EINVAL);
	assert_int_equal(uiommu_group_resv_regions(r.group, NULL, 1, &n), -EINVAL);
	assert_int_equal(uiommu_group_resv_regions(r.group, &region, 1, NULL), -EINVAL);
	assert_int_equal(uiommu_group_resv_regions(r.group, NULL, 0, &n), 0);
	assert_int_equal(n, 0);
	rig_destroy(&r);
}

/* ---- direct mappings ---- */

static unsigned int pages(struct uiommu_domain *domain)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < MOCK_PAGES; i++)
		n += ((struct mock_domain *)domain)->page[i];
	return n;
}

static void test_direct(void **state)
{
	/* Pages 2 to 4, and 4 to 5 again; page 9; nothing of the rest. */
	const struct uiommu_resv_region regions[] = {
		{ 0x2800, 0x4010, UIOMMU_RESV_DIRECT, RW },
		{ 0x4000, 0x5fff, UIOMMU_RESV_DIRECT, UIOMMU_READ },
		{ 0x9000, 0x9fff, UIOMMU_RESV_DIRECT_RELAXABLE, RW },
		{ 0xb000, 0xbfff, UIOMMU_RESV_RESERVED, 0 },
		{ 0xc000, 0xcfff, UIOMMU_RESV_MSI, RW },
	};
	struct rig r;

	(void)state;
	rig_create(&r, 1);
	r.m->account_maps = true;
	require(!add_regions(&r, 1, regions, 5));
	require(!uiommu_map(r.domain[1], 0x3000, 0x3000, 0x1000, UIOMMU_READ));
	require(!uiommu_group_set_default_domain(r.group, r.domain[1]));
	assert_int_equal(pages(r.domain[1]), 5);
	/* Users' domains and identity are left alone. */
	require(!uiommu_attach_group(r.group, r.domain[2], NULL));
	assert_int_equal(pages(r.domain[2]), 0);
	uiommu_detach_group(r.group);
	/* It must not be blocked by what can fail. */
	assert_int_equal(uiommu_group_replace_domain(r.group, r.blocking, NULL, NULL), -EINVAL);
	assert_int_equal(uiommu_group_claim_dma_owner(r.group, &r), -EINVAL);
	assert_int_equal(uiommu_group_set_default_domain(r.group, r.blocking), -EINVAL);
	assert_int_equal(r.events.direct_blocked, 0);
	uiommu_block_group(r.group);
	assert_int_equal(r.events.direct_blocked, 1);
	assert_ptr_equal(uiommu_device_domain(r.dev[1]), r.blocking);
	uiommu_detach_group(r.group);
	/* Reset may block it. */
	require(!uiommu_reset_prepare(r.dev[1]));
	uiommu_reset_done(r.dev[1]);
	/* Parked: an event says both. */
	atomic_store(&r.m->faults.commit, 2);
	atomic_store(&r.m->faults.lost, 2);
	assert_int_equal(uiommu_attach_group(r.group, r.domain[3], NULL), -EIO);
	assert_int_equal(r.events.direct_blocked, 2);
	mock_clear_faults(r.m);
	/* The next newcomer's regions are mapped before it joins. */
	require(!uiommu_group_replace_domain(r.group, r.domain[1], NULL, NULL));
	require(!add_regions(&r, 2, &(struct uiommu_resv_region){ 0, 4095, UIOMMU_RESV_DIRECT, RW }, 1));
	assert_int_equal(pages(r.domain[1]), 6);
	take_out(&r, 1);
	take_out(&r, 2);
	assert_int_equal(uiommu_group_claim_dma_owner(r.group, &r), 0);
	rig_destroy(&r);
}

/* What cannot be mapped refuses the change, and nothing of it stays. */
static void test_direct_fails(void **state)
{
	const struct uiommu_resv_region regions[] = {
		{ 0x2000, 0x4fff, UIOMMU_RESV_DIRECT, RW }, { 0x9000, 0xafff, UIOMMU_RESV_DIRECT, RW },
	};
	struct rig r;

	(void)state;
	rig_create(&r, 1);
	r.m->account_maps = true;
	require(!uiommu_map(r.domain[1], 0x3000, 0x3000, 0x1000, UIOMMU_READ));
	require(!uiommu_group_set_default_domain(r.group, r.domain[1]));
	r.m->map_fails_at = 10;
	assert_int_equal(add_regions(&r, 1, regions, 2), -ERANGE);
	assert_int_equal(pages(r.domain[1]), 1);
	mock_check(r.iommu);
	atomic_store(&r.m->faults.commit, 2);
	r.m->map_fails_at = -1;
	assert_int_equal(add_regions(&r, 1, regions, 2), -EIO);
	assert_int_equal(pages(r.domain[1]), 1);
	mock_clear_faults(r.m);
	require(!add_regions(&r, 1, regions, 2));
	assert_int_equal(pages(r.domain[1]), 5);
	r.m->map_fails_at = 9;
	assert_int_equal(uiommu_group_set_default_domain(r.group, r.domain[2]), -ERANGE);
	assert_int_equal(pages(r.domain[2]), 0);
	r.m->map_fails_at = -1;
	atomic_store(&r.m->faults.commit, 1);
	assert_int_equal(uiommu_group_set_default_domain(r.group, r.domain[2]), -ETIMEDOUT);
	assert_int_equal(pages(r.domain[2]), 0);
	assert_ptr_equal(uiommu_group_default_domain(r.group), r.domain[1]);
	rig_destroy(&r);
}

/* ---- aliases ---- */

static int add_aliased(struct rig *r, uint16_t rid, const uint16_t *aliases, unsigned int n)
{
	struct uiommu_device_opts opts = {
		.size = sizeof(opts), .max_pasids = UIOMMU_MAX_PASIDS, .aliases = aliases, .n_aliases = n,
	};

	return add(r, rid, &opts);
}

static struct uiommu_domain *reach(struct rig *r, unsigned int rid)
{
	require(!r->m->hw[rid].reach[1]);
	return r->m->hw[rid].reach[0];
}

static void test_alias(void **state)
{
	const uint16_t aliases[] = { 20, 0, 21, 20 };
	struct uiommu_group *other;
	struct uiommu_device *dev;
	struct rig r;

	(void)state;
	rig_create(&r, 0);
	require(!add_aliased(&r, 0, aliases, 4));
	assert_int_equal(r.group->n_devices, 3);
	/* Alone in its group, aliases or not. */
	require(!uiommu_attach_device(r.dev[0], r.domain[1], NULL));
	assert_int_equal(r.m->commit_slots, 3);
	assert_ptr_equal(reach(&r, 20), r.domain[1]);
	require(!uiommu_attach_pasid(r.group, 1, r.domain[2], &r.handle[0], NULL));
	assert_ptr_equal(r.m->pasid_hw[21][1].reach[0], r.domain[2]);
	assert_ptr_equal(rig_fault(&r, 20, 1), &r.handle[0]);
	uiommu_detach_pasid(r.group, 1);
	/* Elsewhere it is taken. */
	require(!uiommu_group_create(r.iommu, &other));
	assert_int_equal(uiommu_device_add(other, 20, &dev), -EEXIST);
	uiommu_group_destroy(other);
	/* A failing alias takes all back. */
	atomic_store(&r.m->faults.commit, 1u << 21);
	assert_int_equal(uiommu_group_replace_domain(r.group, r.domain[2], NULL, NULL), -EIO);
	assert_ptr_equal(reach(&r, 0), r.domain[1]);
	mock_clear_faults(r.m);
	rig_destroy(&r);
}

/* Devices that carry the same RIDs, and the RIDs of others. */
static void test_shared_aliases(void **state)
{
	const uint16_t aliases[] = { 20, 0, 21, 20 }, shared[] = { 21 }, real[] = { 0 };
	struct rig r;

	(void)state;
	rig_create(&r, 0);
	require(!add_aliased(&r, 0, aliases, 4));
	require(!uiommu_attach_group(r.group, r.domain[1], NULL));
	require(!add_aliased(&r, 1, shared, 1));
	require(!add_aliased(&r, 2, real, 1));
	assert_int_equal(r.group->n_devices, 5);
	mock_check(r.iommu);
	/* Reset blocks what may be the device's. */
	require(!uiommu_reset_prepare(r.dev[0]));
	require(!uiommu_reset_prepare(r.dev[1]));
	assert_ptr_equal(reach(&r, 0), r.blocking);
	assert_ptr_equal(reach(&r, 20), r.blocking);
	assert_ptr_equal(reach(&r, 2), r.domain[1]);
	uiommu_reset_done(r.dev[0]);
	assert_ptr_equal(reach(&r, 20), r.domain[1]);
	assert_ptr_equal(reach(&r, 21), r.blocking);
	mock_check(r.iommu);
	/* Removed while it is reset, with what only it carries; 0 stays as device 2's alias. */
	require(!uiommu_reset_prepare(r.dev[0]));
	take_out(&r, 0);
	assert_null(r.m->hw[20].dev);
	assert_ptr_equal(reach(&r, 0), r.domain[1]);
	assert_ptr_equal(reach(&r, 21), r.blocking);
	uiommu_reset_done(r.dev[1]);
	assert_ptr_equal(reach(&r, 21), r.domain[1]);
	mock_check(r.iommu);
	/* And is adopted when it is added again. */
	require(!add_aliased(&r, 0, NULL, 0));
	assert_ptr_equal(uiommu_device_domain(r.dev[0]), r.domain[1]);
	assert_int_equal(add_aliased(&r, 0, NULL, 0), -EEXIST);
	assert_int_equal(r.group->n_aliases, 1);
	mock_check(r.iommu);
	take_out(&r, 2);
	assert_ptr_equal(reach(&r, 0), r.domain[1]);
	rig_destroy(&r);
}

/* Each step of joining fails, of the device and of its aliases: nothing is left. */
static void test_aliases_fail(void **state)
{
	const uint16_t aliases[] = { 9, 10 };

	(void)state;
	for (unsigned int rid = 8; rid <= 10; rid++) {
		for (unsigned int how = 0; how < 5; how++) {
			struct uiommu_device *dev = NULL;
			struct uiommu_device_opts opts = {
				.size = sizeof(opts), .aliases = aliases, .n_aliases = 2,
			};
			struct rig r;

			rig_create(&r, 1);
			require(!uiommu_attach_group(r.group, r.domain[1], NULL));
			if (how == 0)
				atomic_store(&r.m->faults.probe, 1u << rid);
			else if (how == 1)
				atomic_store(&r.m->faults.prepare, 1u << rid);
			else
				atomic_store(&r.m->faults.commit, 1u << rid);
			atomic_store(&r.m->faults.lost, how == 3 ? UINT32_MAX : 0);
			atomic_store(&r.m->faults.park, how == 4 ? UINT32_MAX : 0);
			atomic_store(&r.m->faults.back, how == 4 ? UINT32_MAX : 0);
			require(uiommu_device_add_opts(r.group, 8, &opts, &dev) < 0 && !dev);
			require(r.group->n_devices == 1 && r.group->n_aliases == 0);
			mock_check(r.iommu);
			mock_clear_faults(r.m);
			require(!uiommu_device_add_opts(r.group, 8, &opts, &r.dev[1]));
			mock_check(r.iommu);
			rig_destroy(&r);
		}
	}
}

/* ---- ownership ---- */

static void test_ownership(void **state)
{
	int me, you;

	(void)state;
	for (unsigned int n = 1; n <= RIG_DEVS; n++) {
		struct rig r;

		rig_create(&r, n);
		require(!uiommu_group_set_default_domain(r.group, r.domain[1]));
		require(uiommu_group_claim_dma_owner(r.group, NULL) == -EINVAL);
		require(uiommu_group_claim_dma_owner(NULL, &me) == -EINVAL);
		require(uiommu_device_claim_dma_owner(NULL, &me) == -EINVAL);
		require(uiommu_group_release_dma_owner(r.group) == -EINVAL);
		require(uiommu_device_release_dma_owner(r.dev[0]) == -EINVAL);
		/* Not while somebody's domain or PASID is there. */
		require(!uiommu_attach_group(r.group, r.domain[2], NULL));
		require(uiommu_group_claim_dma_owner(r.group, &me) == -EBUSY);
		uiommu_detach_group(r.group);
		require(!uiommu_attach_pasid(r.group, 1, r.domain[2], NULL, NULL));
		require(uiommu_device_claim_dma_owner(r.dev[0], &me) == -EBUSY);
		uiommu_detach_pasid(r.group, 1);
		/* Hardware fails: not owned, everything as before. */
		atomic_store(&r.m->faults.commit, 1u << (n - 1));
		require(uiommu_group_claim_dma_owner(r.group, &me) < 0);
		require(!uiommu_group_dma_owner_claimed(r.group));
		require(uiommu_group_domain(r.group) == r.domain[1]);
		mock_clear_faults(r.m);
		/* A group's claim is exclusive, devices' are shared. */
		require(!uiommu_group_claim_dma_owner(r.group, &me));
		require(uiommu_group_domain(r.group) == r.blocking);
		require(uiommu_group_claim_dma_owner(r.group, &me) == -EPERM);
		require(uiommu_device_claim_dma_owner(r.dev[n - 1], &you) == -EPERM);
		require(!uiommu_device_claim_dma_owner(r.dev[n - 1], &me));
		require(uiommu_group_set_default_domain(r.group, r.domain[2]) == -EPERM);
		require(uiommu_group_setup_default(r.group, UIOMMU_DEFAULT_ANY) == -EPERM);
		/* Detaching leads to blocking. */
		require(!uiommu_attach_group(r.group, r.domain[2], NULL));
		uiommu_detach_group(r.group);
		require(uiommu_group_domain(r.group) == r.blocking);
		require(!uiommu_attach_group(r.group, r.domain[2], NULL));
		require(!uiommu_device_release_dma_owner(r.dev[0]));
		require(uiommu_group_domain(r.group) == r.domain[2]);
		require(uiommu_group_dma_owner_claimed(r.group));
		require(!uiommu_attach_pasid(r.group, 1, r.domain[2], NULL, NULL));
		require(uiommu_device_release_dma_owner(r.dev[0]) == -EBUSY);
		require(uiommu_group_release_dma_owner(r.group) == -EBUSY);
		uiommu_detach_pasid(r.group, 1);
		/* Giving up cannot fail. */
		atomic_store(&r.m->faults.commit, 1);
		require(!uiommu_device_release_dma_owner(r.dev[0]));
		require(uiommu_group_domain(r.group) == r.domain[1]);
		require(!uiommu_group_dma_owner_claimed(r.group));
		require(domain_users(r.domain[2]) == 0 && r.events.parked == 1);
		mock_check(r.iommu);
		mock_clear_faults(r.m);
		rig_destroy(&r);
	}
}

static void test_drivers(void **state)
{
	struct rig r;
	int me;

	(void)state;
	rig_create(&r, 2);
	assert_int_equal(uiommu_device_use_default_domain(NULL), -EINVAL);
	assert_int_equal(uiommu_device_use_default_domain(r.dev[0]), -EAGAIN);
	require(!uiommu_group_setup_default(r.group, UIOMMU_DEFAULT_ANY));
	assert_int_equal(uiommu_device_use_default_domain(r.dev[0]), 0);
	assert_int_equal(uiommu_device_use_default_domain(r.dev[1]), 0);
	assert_int_equal(uiommu_group_claim_dma_owner(r.group, &me), -EPERM);
	assert_int_equal(uiommu_device_claim_dma_owner(r.dev[1], &me), -EPERM);
	assert_int_equal(uiommu_group_release_dma_owner(r.group), -EINVAL);
	assert_int_equal(uiommu_group_setup_default(r.group, UIOMMU_DEFAULT_IDENTITY), -EPERM);
	uiommu_device_unuse_default_domain(r.dev[0]);
	assert_true(uiommu_group_dma_owner_claimed(r.group));
	uiommu_device_unuse_default_domain(r.dev[1]);
	uiommu_device_unuse_default_domain(r.dev[1]);
	uiommu_device_unuse_default_domain(NULL);
	assert_int_equal(uiommu_group_claim_dma_owner(r.group, &me), 0);
	assert_int_equal(uiommu_device_use_default_domain(r.dev[0]), -EBUSY);
	uiommu_device_unuse_default_domain(r.dev[0]);
	assert_int_equal(uiommu_group_release_dma_owner(r.group), 0);
	require(!uiommu_attach_group(r.group, r.domain[1], NULL));
	assert_int_equal(uiommu_device_use_default_domain(r.dev[0]), -EBUSY);
	uiommu_detach_group(r.group);
	require(!uiommu_attach_pasid(r.group, 1, r.domain[1], NULL, NULL));
	assert_int_equal(uiommu_device_use_default_domain(r.dev[0]), -EBUSY);
	rig_destroy(&r);
}

/* ---- default domains ---- */

/* For each pair of demands, trust and wish: the rules in a table of their own. */
static void test_default_type(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 3 * 3 * 2 * 3 * 2; i++) {
		enum uiommu_default a = (enum uiommu_default)(i % 3), b = (enum uiommu_default)(i / 3 % 3);
		bool untrusted = i / 9 % 2, identity = i / 54;
		enum uiommu_default wanted = (enum uiommu_default)(i / 18 % 3), type, want, demand;
		struct uiommu_device_opts opts = { .size = sizeof(opts), .untrusted = untrusted };
		struct rig r;
		int err;

		rig_create(&r, 0);
		r.m->def_type[0] = a;
		r.m->def_type[1] = b;
		require(!add(&r, 0, NULL) && !add(&r, 1, &opts));
		require(!uiommu_iommu_set_default_type(r.iommu, identity ? UIOMMU_DEFAULT_IDENTITY :
						       UIOMMU_DEFAULT_PAGING));
		demand = !a ? b : !b || a == b ? a : UIOMMU_DEFAULT_IDENTITY;
		err = untrusted && demand == UIOMMU_DEFAULT_IDENTITY ? -EINVAL : 0;
		if (untrusted)
			demand = UIOMMU_DEFAULT_PAGING;
		if (wanted && demand && wanted != demand)
			err = -EINVAL;
		want = wanted ? wanted : demand;
		if (!want)
			want = identity ? UIOMMU_DEFAULT_IDENTITY : UIOMMU_DEFAULT_PAGING;
		require(uiommu_group_default_type(r.group, wanted, &type) == err && (err || type == want));
		require(uiommu_group_setup_default(r.group, wanted) == err);
		if (!err) {
			enum uiommu_domain_type now = uiommu_group_default_domain(r.group)->type;

			require(now == (want == UIOMMU_DEFAULT_IDENTITY ? UIOMMU_DOMAIN_IDENTITY :
					UIOMMU_DOMAIN_PAGING));
			require(uiommu_group_domain(r.group) == uiommu_group_default_domain(r.group));
		}
		mock_check(r.iommu);
		rig_destroy(&r);
	}
}

static void test_default_change(void **state)
{
	struct uiommu_device_opts untrusted = { .size = sizeof(untrusted), .untrusted = true };
	struct uiommu_domain *first;
	enum uiommu_default type;
	struct rig r;

	(void)state;
	rig_create(&r, 2);
	assert_int_equal(uiommu_group_default_type(r.group, (enum uiommu_default)3, &type), -EINVAL);
	assert_int_equal(uiommu_group_setup_default(r.group, (enum uiommu_default)3), -EINVAL);
	assert_int_equal(uiommu_group_setup_default(NULL, UIOMMU_DEFAULT_ANY), -EINVAL);
	assert_int_equal(uiommu_iommu_set_default_type(r.iommu, UIOMMU_DEFAULT_ANY), -EINVAL);
	assert_int_equal(uiommu_group_setup_default(r.group, UIOMMU_DEFAULT_IDENTITY), 0);
	first = uiommu_group_default_domain(r.group);
	assert_int_equal(uiommu_group_setup_default(r.group, UIOMMU_DEFAULT_IDENTITY), 0);
	assert_ptr_equal(uiommu_group_default_domain(r.group), first);
	assert_int_equal(add(&r, 5, &untrusted), -EPERM);
	/* At run time; what fails leaves the old one. */
	atomic_store(&r.m->faults.commit, 2);
	assert_int_equal(uiommu_group_setup_default(r.group, UIOMMU_DEFAULT_PAGING), -EIO);
	assert_ptr_equal(uiommu_group_default_domain(r.group), first);
	mock_clear_faults(r.m);
	assert_int_equal(uiommu_group_setup_default(r.group, UIOMMU_DEFAULT_PAGING), 0);
	assert_int_equal(add(&r, 5, &untrusted), 0);
	assert_int_equal(uiommu_group_set_default_domain(r.group, r.domain[0]), -EINVAL);
	require(!uiommu_attach_group(r.group, r.domain[1], NULL));
	assert_int_equal(uiommu_group_setup_default(r.group, UIOMMU_DEFAULT_PAGING), -EBUSY);
	uiommu_detach_group(r.group);
	/* A caller's takes its place; the core's is freed. */
	require(!uiommu_group_set_default_domain(r.group, r.domain[1]));
	assert_int_equal(r.iommu->domains, RIG_DOMAINS);
	/* Without identity, any is paging. */
	require(!uiommu_group_set_default_domain(r.group, r.blocking));
	require(!uiommu_iommu_set_default_type(r.iommu, UIOMMU_DEFAULT_IDENTITY));
	take_out(&r, 5);
	r.m->no_identity = true;
	assert_int_equal(uiommu_group_setup_default(r.group, UIOMMU_DEFAULT_IDENTITY), -EOPNOTSUPP);
	assert_int_equal(uiommu_group_setup_default(r.group, UIOMMU_DEFAULT_ANY), 0);
	assert_int_equal(uiommu_group_default_domain(r.group)->type, UIOMMU_DOMAIN_PAGING);
	r.m->no_identity = false;
	rig_destroy(&r);
}

/* A default of the core's making that is attached elsewhere outlives its group's use, and does not leak. */
static void test_default_attached_elsewhere(void **state)
{
	struct uiommu_domain *first;
	struct rig r;

	(void)state;
	for (int by_group = 0; by_group < 2; by_group++) {
		struct uiommu_group *other = NULL;

		rig_create(&r, 2);
		assert_int_equal(uiommu_group_setup_default(r.group, UIOMMU_DEFAULT_IDENTITY), 0);
		first = uiommu_group_default_domain(r.group);
		if (by_group) {
			require(!uiommu_group_create(r.iommu, &other));
			require(!uiommu_attach_group(other, first, NULL));
		} else {
			require(!uiommu_attach_pasid(r.group, 1, first, NULL, NULL));
		}
		assert_int_equal(uiommu_group_setup_default(r.group, UIOMMU_DEFAULT_PAGING), 0);
		assert_ptr_equal(by_group ? uiommu_group_domain(other) : uiommu_pasid_domain(r.group, 1),
				 first);
		mock_check(r.iommu);
		uiommu_group_destroy(other);
		uiommu_detach_pasid(r.group, 1);
		rig_destroy(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),		cmocka_unit_test(test_regions),
		cmocka_unit_test(test_region_arguments),
		cmocka_unit_test(test_direct),		cmocka_unit_test(test_direct_fails),
		cmocka_unit_test(test_alias),		cmocka_unit_test(test_shared_aliases),
		cmocka_unit_test(test_aliases_fail),
		cmocka_unit_test(test_ownership),	cmocka_unit_test(test_drivers),
		cmocka_unit_test(test_default_type),	cmocka_unit_test(test_default_change),
		cmocka_unit_test(test_default_attached_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
