/* SPDX-License-Identifier: MIT */
/*
 * The short cuts ahead of the caches (front.h): what they must not answer. Each test
 * brings an answer near, then asks what differs from it in one thing only. One agent;
 * each test runs with single requests and with lists.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "hw/vtd/layout.h"
#include "hw/vtd/vtd_model.h"
#include "rig.h"

#define RID 0x0108u		/* of port 0; port 1 is the next */
#define DID 7u
#define HOOK_BASE (RIG_BASE + 2 * RIG_SIZE)	/* one page behind an accessor of the test's */
#define OUT(n) (UINT64_C(0x100000000) + UINT64_C(0x1000) * (n))

#define IOVA UINT64_C(0x40001000)
#define PAGE UINT64_C(0x1000)
#define RANGE UINT64_C(0xFEE00000)

struct world {
	struct rig r;
	struct uiommu_port *port[2];
	bool list;
	uint64_t dir[2], pasids[2];
	/* What happens while the page at HOOK_BASE is read; once. */
	void (*hook)(struct world *w);
	unsigned int hooks;
	uint64_t hooked[512];
	uint64_t late, other;	/* for hooks */
	pthread_t thread;
};

static void put_tables(struct world *w)
{
	uint64_t root = rig_page(&w->r), ctx = rig_page(&w->r);

	*rig_word(&w->r, root + 16 * (RID >> 8)) = ctx | 1;
	for (unsigned int i = 0; i < 2; i++) {
		uint64_t *q = rig_word(&w->r, ctx + 32 * ((RID + i) & 0x7F));

		w->dir[i] = rig_page(&w->r);
		w->pasids[i] = rig_page(&w->r);
		*rig_word(&w->r, w->dir[i]) = w->pasids[i] | 1;
		q[0] = w->dir[i] | 8 | 1;
		q[1] = 1;		/* RID_PASID */
		assert_int_equal(uiommu_port_create(w->r.hw, (uint16_t)(RID + i), &w->port[i]), 0);
	}
	rig_root(&w->r, root | 1u << 10);
}

static void start(struct world *w, bool list)
{
	memset(w, 0, sizeof(*w));
	w->list = list;
	rig_start(&w->r, NULL, false);
	put_tables(w);
	rig_queue_on(&w->r, true);
	rig_flush(&w->r);
	rig_te(&w->r, true);
}

static void end(struct world *w)
{
	uiommu_port_destroy(w->port[0]);
	uiommu_port_destroy(w->port[1]);
	assert_int_equal(w->r.misuses, 0);
	rig_stop(&w->r);
}

/* A PASID entry for port 0: 4 levels. */
static void put_pasid(struct world *w, uint32_t pasid, bool first, unsigned int did, uint64_t table)
{
	uint64_t *q = rig_word(&w->r, w->pasids[0] + 64 * pasid);

	q[2] = first ? table : 0;
	q[1] = did | 1u << 23;
	__atomic_store_n(&q[0], (first ? 1 << 6 : table | 2 << 6) | 2 << 2 | 1, __ATOMIC_RELEASE);
}

/* The entry of iova at that level; tables on the way are made with the rights of upper. */
static uint64_t entry(struct world *w, uint64_t table, uint64_t iova, unsigned int level, uint64_t upper)
{
	for (unsigned int l = 4; l > level; l--) {
		uint64_t *e = rig_word(&w->r, table + 8 * (iova >> (12 + 9 * (l - 1)) & 511));

		if (!*e)
			*e = rig_page(&w->r) | upper;
		table = *e & UINT64_C(0xFFFFFFFFFF000);
	}
	return table + 8 * (iova >> (12 + 9 * (level - 1)) & 511);
}

static uint64_t put_page(struct world *w, uint64_t table, uint64_t iova, uint64_t upper, uint64_t leaf)
{
	uint64_t pa = entry(w, table, iova, 1, upper);

	rig_put(&w->r, pa, leaf);
	return pa;
}

/* The fault reason, or 0 and the address. */
static uint32_t ask(struct world *w, struct uiommu_port *port, uint32_t pasid, uint64_t iova, bool write,
		    uint64_t *pa)
{
	w->r.turn = w->list ? 0 : 1;
	*pa = 0;
	return rig_translate(&w->r, port, pasid, iova, write, pa);
}

static void expect(struct world *w, struct uiommu_port *port, uint32_t pasid, uint64_t iova, bool write,
		   uint64_t want)
{
	uint64_t pa;

	assert_int_equal(ask(w, port, pasid, iova, write, &pa), 0);
	assert_int_equal(pa, want);
}

static void blocked(struct world *w, struct uiommu_port *port, uint32_t pasid, uint64_t iova, bool write,
		    uint32_t reason)
{
	uint64_t pa;

	assert_int_equal(ask(w, port, pasid, iova, write, &pa), reason);
}

/* 3.6.2: D is set before the first write, also when reads have made the page well known. */
static void a_write_after_reads_sets_d(struct world *w)
{
	uint64_t table = rig_page(&w->r), leaf = put_page(w, table, IOVA, 7, OUT(1) | 7);

	put_pasid(w, 2, true, DID, table);
	for (unsigned int i = 0; i < 3; i++)
		expect(w, w->port[0], 2, IOVA, false, OUT(1));
	assert_int_equal(*rig_word(&w->r, leaf) & 0x60, 0x20);
	expect(w, w->port[0], 2, IOVA, true, OUT(1));
	assert_int_equal(*rig_word(&w->r, leaf) & 0x60, 0x60);
}

/* 3.7: what the upper levels forbid stays forbidden on the short way to another page of theirs. */
static void rights_of_upper_levels(struct world *w)
{
	uint64_t table;

	for (unsigned int write = 0; write < 2; write++) {
		table = rig_page(&w->r);
		put_pasid(w, 2 + write, false, DID + write, table);
		for (unsigned int i = 0; i < 4; i++)
			put_page(w, table, IOVA + i * PAGE, write ? 2 : 1, OUT(i) | 3);
		for (unsigned int i = 0; i < 3; i++)
			expect(w, w->port[0], 2 + write, IOVA + i * PAGE, write, OUT(i));
		blocked(w, w->port[0], 2 + write, IOVA + 3 * PAGE, !write, write ? VTD_SGN_7 : VTD_SGN_6);
	}
}

/* 6.2: first-stage translations of one domain id belong to their PASID; so do the ways to tables. */
static void two_pasids_of_a_domain_id(struct world *w)
{
	uint64_t table[2];

	for (unsigned int p = 0; p < 2; p++) {
		table[p] = rig_page(&w->r);
		put_pasid(w, 2 + p, true, DID, table[p]);
		for (unsigned int i = 0; i < 4; i++)
			put_page(w, table[p], IOVA + i * PAGE, 7, OUT(8 * p + i) | 7);
	}
	for (unsigned int i = 0; i < 4; i++)
		for (unsigned int turn = 0; turn < 6; turn++)
			expect(w, w->port[0], 2 + turn % 2, IOVA + i * PAGE, turn % 3 == 0,
			       OUT(8 * (turn % 2) + i));
}

/* Domain ids and PASIDs are names within a unit. */
static void two_units(struct world *w)
{
	struct world other = { .list = w->list, .r = w->r };
	struct world *both[2] = { w, &other };
	uint64_t table;

	assert_int_equal(uiommu_vtd_model_create(w->r.ctx, NULL, &other.r.hw), 0);
	put_tables(&other);
	w->r.next = other.r.next;
	for (unsigned int u = 0; u < 2; u++) {
		table = rig_page(&w->r);
		other.r.next = w->r.next;
		put_pasid(both[u], 2, true, DID, table);
		for (unsigned int i = 0; i < 4; i++)
			put_page(w, table, IOVA + i * PAGE, 7, OUT(8 * u + i) | 7);
	}
	rig_te(&other.r, true);
	for (unsigned int i = 0; i < 4; i++)
		for (unsigned int turn = 0; turn < 6; turn++)
			expect(w, both[turn % 2]->port[0], 2, IOVA + i * PAGE, false,
			       OUT(8 * (turn % 2) + i));
	rig_te(&other.r, false);
	uiommu_port_destroy(other.port[0]);
	uiommu_port_destroy(other.port[1]);
	uiommu_hw_destroy(other.r.hw);
}

/* 3.14: the interrupt range is memory for requests with PASID, and never for those without. */
static void interrupt_range_after_a_request_with_pasid(struct world *w)
{
	struct dma_req req = { .iova = RANGE, .len = 4, .pasid = UIOMMU_NO_PASID, .access = UIOMMU_WRITE,
			       .agent = w->r.agent };
	uint64_t table = rig_page(&w->r);
	struct dma_res res = { 0 };

	put_pasid(w, 1, true, DID, table);	/* RID_PASID: both sorts use one entry */
	put_page(w, table, IOVA, 7, OUT(0) | 7);
	put_page(w, table, RANGE, 7, OUT(1) | 0x67);
	expect(w, w->port[0], UIOMMU_NO_PASID, IOVA, false, OUT(0));
	for (unsigned int i = 0; i < 2; i++) {
		expect(w, w->port[0], 1, RANGE, true, OUT(1));
		expect(w, w->port[0], UIOMMU_NO_PASID, IOVA, false, OUT(0));
		blocked(w, w->port[0], UIOMMU_NO_PASID, RANGE, false, VTD_INT_RANGE);
		uiommu_agent_begin(w->r.agent);
		assert_int_equal(w->r.hw->ops->translate(w->port[0], &req, &res), 0);
		uiommu_agent_end(w->r.agent);
		assert_true(res.interrupt);
	}
}

/* 7.1: FPD holds for each request that the entry leads to, also when the entry is not looked up. */
static void no_record_with_fpd(struct world *w)
{
	uint64_t table = rig_page(&w->r), *q = rig_word(&w->r, w->pasids[0] + 64 * 2);

	put_page(w, table, IOVA, 3, OUT(0) | 3);
	put_pasid(w, 2, false, DID, table);
	q[0] |= 2;
	for (unsigned int i = 0; i < 2; i++) {
		expect(w, w->port[0], 2, IOVA, false, OUT(0));
		blocked(w, w->port[0], 2, IOVA + PAGE, false, VTD_SSS_2);
		blocked(w, w->port[0], 2, IOVA + PAGE, true, VTD_SSS_2);
	}
	assert_int_equal(w->r.hw->ops->read32(w->r.hw, 0x34) & 3, 0);
	/* The same without FPD is recorded. */
	q[0] &= ~UINT64_C(2);
	rig_flush(&w->r);
	expect(w, w->port[0], 2, IOVA, false, OUT(0));
	blocked(w, w->port[0], 2, IOVA + PAGE, false, VTD_SSS_2);
	assert_int_equal(w->r.hw->ops->read32(w->r.hw, 0x34) & 2, 2);
}

/* 6.5.2.3: an invalidation of the tables ends the short way through them. */
static void no_way_after_an_invalidation(struct world *w)
{
	uint64_t table = rig_page(&w->r), other = rig_page(&w->r);
	static const uint64_t command[3][2] = {
		{ 2 | 1u << 4, 0 }, { 2 | 2u << 4 | DID << 16, 0 }, { 2 | 3u << 4 | DID << 16, IOVA },
	};

	for (unsigned int i = 0; i < 4; i++) {
		put_page(w, table, IOVA + i * PAGE, 3, OUT(i) | 3);
		put_page(w, other, IOVA + i * PAGE, 3, OUT(8 + i) | 3);
	}
	put_pasid(w, 2, false, DID, table);
	for (unsigned int c = 0; c < 3; c++) {
		uint64_t *old = rig_word(&w->r, entry(w, table, IOVA, 2, 3));
		uint64_t *new = rig_word(&w->r, entry(w, other, IOVA, 2, 3)), e = *old;

		for (unsigned int i = 0; i < 3; i++)
			expect(w, w->port[0], 2, IOVA + i * PAGE, false, OUT(c % 2 * 8 + i));
		__atomic_store_n(old, *new, __ATOMIC_RELEASE);
		*new = e;
		rig_push(&w->r, command[c][0], command[c][1]);
		assert_true(rig_sync(&w->r));
		expect(w, w->port[0], 2, IOVA + 3 * PAGE, false, OUT((c + 1) % 2 * 8 + 3));
		rig_flush(&w->r);
	}
}

/* 3.6.2, PWSNP=0: A can not be set, for whoever comes the quick way either. */
static void no_update_without_pwsnp(struct world *w)
{
	uint64_t table = rig_page(&w->r), leaf;

	put_page(w, table, IOVA, 0x27, OUT(0) | 0x67);
	leaf = put_page(w, table, IOVA + PAGE, 0x27, OUT(1) | 7);
	put_pasid(w, 2, true, DID, table);
	*rig_word(&w->r, w->pasids[0] + 64 * 2 + 8) = DID;
	expect(w, w->port[0], 2, IOVA, false, OUT(0));
	for (unsigned int i = 0; i < 2; i++)
		blocked(w, w->port[0], 2, IOVA + PAGE, i, VTD_SFS_9);
	assert_int_equal(*rig_word(&w->r, leaf) & 0x60, 0);
}

/* Faults have legacy mode's reasons, whichever way it was learnt that this is the mode. */
static void reasons_of_legacy_mode(void **state)
{
	struct world world = { 0 }, *w = &world;
	uint64_t root, ctx, table;

	for (unsigned int list = 0; list < 2; list++) {
		w->list = list;
		rig_start(&w->r, NULL, false);
		root = rig_page(&w->r);
		ctx = rig_page(&w->r);
		table = rig_page(&w->r);
		*rig_word(&w->r, root + 16 * (RID >> 8)) = ctx | 1;
		rig_put(&w->r, ctx + 16 * (RID & 0xFF) + 8, 2 | DID << 8);
		rig_put(&w->r, ctx + 16 * (RID & 0xFF), table | 1);
		put_page(w, table, IOVA, 3, OUT(0) | 3);
		put_page(w, table, IOVA + PAGE, 3, OUT(1) | 1);
		assert_int_equal(uiommu_port_create(w->r.hw, RID, &w->port[0]), 0);
		rig_root(&w->r, root);
		rig_queue_on(&w->r, false);
		rig_flush(&w->r);
		rig_te(&w->r, true);
		expect(w, w->port[0], UIOMMU_NO_PASID, IOVA, false, OUT(0));
		blocked(w, w->port[0], UIOMMU_NO_PASID, IOVA + PAGE, true, VTD_LGN_2);
		blocked(w, w->port[0], UIOMMU_NO_PASID, IOVA + 2 * PAGE, false, VTD_LGN_3);
		uiommu_port_destroy(w->port[0]);
		assert_int_equal(w->r.misuses, 0);
		rig_stop(&w->r);
	}
	(void)state;
}

/* ---- in the middle of a list ---- */

static int hook_read(void *opaque, uint64_t off, void *buf, size_t len)
{
	struct world *w = opaque;

	memcpy(buf, (const char *)w->hooked + off, len);
	if (w->hook && !w->hooks++)
		w->hook(w);
	return 0;
}

static int hook_write(void *opaque, uint64_t off, const void *buf, size_t len)
{
	struct world *w = opaque;

	memcpy((char *)w->hooked + off, buf, len);
	return 0;
}

static const struct uiommu_mem_ops hook_ops = { hook_read, hook_write };

/*
 * Three pages; the first and the third are cached, the second's table is read while
 * @hook runs. The third request begins after it: @want.
 */
static void in_mid_list(void (*hook)(struct world *w), uint64_t want)
{
	uint64_t iova[3] = { IOVA, UINT64_C(0x80000000), IOVA + PAGE }, pa[3] = { 0 }, table;
	struct dma_req req = { .len = 1, .pasid = 2, .access = UIOMMU_READ };
	uint32_t reason = 0;
	struct world world, *w = &world;

	start(w, true);
	assert_int_equal(uiommu_mem_add_accessor(w->r.ctx, HOOK_BASE, sizeof(w->hooked), &hook_ops, w), 0);
	w->hooked[0] = OUT(1) | 3;
	table = rig_page(&w->r);
	put_page(w, table, iova[0], 3, OUT(0) | 3);
	rig_put(&w->r, entry(w, table, iova[1], 2, 3), HOOK_BASE | 3);
	w->late = put_page(w, table, iova[2], 3, OUT(2) | 3);
	w->other = rig_page(&w->r);
	put_page(w, w->other, iova[2], 3, OUT(4) | 3);
	put_pasid(w, 2, false, DID, table);
	expect(w, w->port[0], 2, iova[0], false, OUT(0));
	expect(w, w->port[0], 2, iova[2], false, OUT(2));
	w->hook = hook;
	req.agent = w->r.agent;
	uiommu_agent_begin(w->r.agent);
	assert_int_equal(w->r.hw->ops->translate_list(w->port[0], &req, iova, pa, 3, &reason), 3);
	uiommu_agent_end(w->r.agent);
	assert_true(w->hooks > 0);
	assert_int_equal(pa[0], OUT(0));
	assert_int_equal(pa[1], OUT(1));
	assert_int_equal(pa[2], want);
	if (w->thread)
		assert_int_equal(pthread_join(w->thread, NULL), 0);
	end(w);
}

/* Invalidations here have no drain: they are inside the batch. */
static void hook_page(struct world *w)
{
	rig_put(&w->r, w->late, OUT(3) | 3);
	rig_push(&w->r, 2 | 2u << 4 | DID << 16, 0);
	assert_true(rig_sync(&w->r));
}

static void page_invalidated_in_mid_list(void **state)
{
	in_mid_list(hook_page, OUT(3));
	(void)state;
}

/* Another domain id, so that nothing of the IOTLB has to go. */
static void hook_pasid(struct world *w)
{
	put_pasid(w, 2, false, DID + 1, w->other);
	rig_push(&w->r, 7 | 3u << 4, 0);
	assert_true(rig_sync(&w->r));
}

static void entry_changed_in_mid_list(void **state)
{
	in_mid_list(hook_pasid, OUT(4));
	(void)state;
}

static void *te_off(void *opaque)
{
	struct world *w = opaque;

	rig_te(&w->r, false);
	return NULL;
}

/* Turning off waits for the batch; what begins meanwhile is not translated. */
static void hook_te(struct world *w)
{
	assert_int_equal(pthread_create(&w->thread, NULL, te_off, w), 0);
	while (atomic_load(&vtd_model(w->r.hw)->live) & VTD_LIVE_TES)
		sched_yield();
}

static void turned_off_in_mid_list(void **state)
{
	in_mid_list(hook_te, IOVA + PAGE);
	(void)state;
}

static void run(void (*test)(struct world *w))
{
	struct world w;

	for (unsigned int list = 0; list < 2; list++) {
		start(&w, list);
		test(&w);
		end(&w);
	}
}

#define TEST(name) \
	static void test_##name(void **state) \
	{ \
		run(name); \
		(void)state; \
	}

TEST(a_write_after_reads_sets_d)
TEST(rights_of_upper_levels)
TEST(two_pasids_of_a_domain_id)
TEST(two_units)
TEST(interrupt_range_after_a_request_with_pasid)
TEST(no_record_with_fpd)
TEST(no_way_after_an_invalidation)
TEST(no_update_without_pwsnp)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_write_after_reads_sets_d),
		cmocka_unit_test(test_rights_of_upper_levels),
		cmocka_unit_test(test_two_pasids_of_a_domain_id),
		cmocka_unit_test(test_two_units),
		cmocka_unit_test(test_interrupt_range_after_a_request_with_pasid),
		cmocka_unit_test(test_no_record_with_fpd),
		cmocka_unit_test(test_no_way_after_an_invalidation),
		cmocka_unit_test(test_no_update_without_pwsnp),
		cmocka_unit_test(reasons_of_legacy_mode),
		cmocka_unit_test(page_invalidated_in_mid_list),
		cmocka_unit_test(entry_changed_in_mid_list),
		cmocka_unit_test(turned_off_in_mid_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
