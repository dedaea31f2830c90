/* SPDX-License-Identifier: MIT */
/*
 * Real threads: two devices translate and fault while a driver replaces an entry,
 * unmaps pages and services faults. Each answer must have been right at some time
 * between its begin and its end; after a drain nothing lands in a page given away.
 */
#include "rig.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#define SWITCHES 2000
#define UNMAPS 1500
#define DEVICES 2
#define IOVA 0x1000ull

struct world {
	struct rig r;
	struct uiommu_port *port[DEVICES], *blocked;
	struct uiommu_agent *agent[DEVICES];
	uint64_t ss[4], leaf[4], entry, data;
	_Atomic unsigned int started, completed, next;
	_Atomic bool done;
	_Atomic unsigned long wrong, right, faults;
};

/* A table with one page, at IOVA; its last-level entry goes to *leaf. */
static uint64_t one_page(struct rig *r, uint64_t pa, uint64_t *leaf)
{
	uint64_t top = rig_page(r), table = top;

	for (unsigned int level = 4; level > 1; level--) {
		uint64_t next = rig_page(r);

		*rig_word(r, table) = next | 3;
		table = next;
	}
	*leaf = table + 8;
	*rig_word(r, *leaf) = pa | 3;
	return top;
}

static void build(struct world *w, bool own_thread, enum uiommu_preset preset)
{
	struct uiommu_vtd_model_opts opts = {
		.size = sizeof(opts),
		.own_thread = own_thread,
		.preset = preset,
	};
	uint64_t root, ctx, dir;

	memset(w, 0, sizeof(*w));
	rig_start(&w->r, &opts, false);
	w->data = rig_page(&w->r);
	for (unsigned int i = 0; i < 4; i++)
		w->ss[i] = one_page(&w->r, i ? (uint64_t)i << 40 : w->data, &w->leaf[i]);
	root = rig_page(&w->r);
	ctx = rig_page(&w->r);
	dir = rig_page(&w->r);
	w->entry = rig_page(&w->r);
	*rig_word(&w->r, root) = ctx | 1;
	*rig_word(&w->r, dir) = w->entry | 1;
	for (unsigned int i = 0; i < DEVICES; i++) {
		*rig_word(&w->r, ctx + 32 * i) = dir | 1;
		assert_int_equal(uiommu_port_create(w->r.hw, (uint16_t)i, &w->port[i]), 0);
		assert_int_equal(uiommu_agent_create(w->r.ctx, &w->agent[i]), 0);
	}
	assert_int_equal(uiommu_port_create(w->r.hw, 0x100, &w->blocked), 0);
	rig_root(&w->r, root | 1u << 10);
	rig_queue_on(&w->r, true);
	rig_flush(&w->r);
	rig_te(&w->r, true);
}

static void end(struct world *w)
{
	for (unsigned int i = 0; i < DEVICES; i++) {
		uiommu_agent_destroy(w->agent[i]);
		uiommu_port_destroy(w->port[i]);
	}
	uiommu_port_destroy(w->blocked);
	rig_stop(&w->r);
}

static void run(struct world *w, void *(*device)(void *), void (*driver)(struct world *))
{
	pthread_t thread[DEVICES];

	for (unsigned int i = 0; i < DEVICES; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, device, w), 0);
	driver(w);
	atomic_store(&w->done, true);
	for (unsigned int i = 0; i < DEVICES; i++)
		pthread_join(thread[i], NULL);
}

static unsigned long answers(struct world *w)
{
	return atomic_load(&w->right) + atomic_load(&w->wrong) + atomic_load(&w->faults);
}

/* On a busy machine too, the devices shall have their share of the driver's steps. */
static void meet(struct world *w, unsigned int step)
{
	unsigned long until = answers(w) + 8;
	struct task_spin spin = { 0 };

	while (step % 32 == 1 && answers(w) < until)
		task_relax(&spin);
}

/* ---- replacing an entry ---- */

static void *translate_loop(void *arg)
{
	struct world *w = arg;
	unsigned int me = atomic_fetch_add(&w->next, 1), turn = 0;
	struct dma_req req = { .iova = IOVA, .len = 4, .pasid = UIOMMU_NO_PASID, .access = UIOMMU_READ };
	struct task_spin spin = { 0 };
	struct dma_res res;

	req.agent = w->agent[me];
	while (!atomic_load_explicit(&w->done, memory_order_relaxed)) {
		unsigned int from = atomic_load(&w->completed), to, ok = 0;
		int err;

		uiommu_agent_begin(w->agent[me]);
		err = w->r.hw->ops->translate(w->port[me], &req, &res);
		uiommu_agent_end(w->agent[me]);
		to = atomic_load(&w->started);
		for (unsigned int v = from; v <= to && v < from + 3; v++)
			ok |= !err && res.pa == (uint64_t)(v % 3 + 1) << 40;
		atomic_fetch_add_explicit(ok ? &w->right : &w->wrong, 1, memory_order_relaxed);
		if (++turn % 16 == 0) {
			uiommu_agent_begin(w->agent[me]);
			err = w->r.hw->ops->translate(w->blocked, &req, &res);
			uiommu_agent_end(w->agent[me]);
			if (err != -EFAULT || res.reason != 0x39)
				atomic_fetch_add(&w->wrong, 1);
		}
		task_relax(&spin);
	}
	return NULL;
}

static void service_faults(struct world *w)
{
	const struct hw_ops *ops = w->r.hw->ops;
	uint32_t fsts = ops->read32(w->r.hw, 0x34);

	if (!(fsts & 3))
		return;
	for (uint32_t i = 0; i < 8; i++) {
		if (!(ops->read32(w->r.hw, 0x400 + 16 * i + 12) >> 31))
			continue;
		/* F is set last: the rest of the record is there. */
		if (ops->read64(w->r.hw, 0x400 + 16 * i) != IOVA ||
		    (ops->read64(w->r.hw, 0x400 + 16 * i + 8) & 0xFFFF) != 0x100)
			atomic_fetch_add(&w->wrong, 1);
		ops->write32(w->r.hw, 0x400 + 16 * i + 12, 1u << 31);
		atomic_fetch_add(&w->faults, 1);
	}
	ops->write32(w->r.hw, 0x34, 1);
}

static void put_version(struct world *w, unsigned int v)
{
	struct u128 e = { .lo = w->ss[v % 3 + 1] | 2 << 6 | 2 << 2 | 1, .hi = (1 + v % 2) | 1u << 23 };

	w->r.hw->ops->store128(w->r.hw, w->entry, e);
}

static void replace_loop(struct world *w)
{
	for (unsigned int v = 1; v <= SWITCHES; v++) {
		uint64_t did = (1 + (v - 1) % 2) << 16;

		meet(w, v);
		atomic_store(&w->started, v);
		put_version(w, v);
		rig_push(&w->r, 7 | 1u << 4 | did, 0);
		rig_push(&w->r, 2 | 2u << 4 | 3u << 6 | did, 0);
		assert_true(rig_sync(&w->r));
		atomic_store(&w->completed, v);
		service_faults(w);
	}
}

static void test_replace(void **state)
{
	for (unsigned int k = 0; k < 4; k++) {
		struct world w;

		build(&w, k & 1, k & 2 ? UIOMMU_PRESET_QEMU : UIOMMU_PRESET_WEAKEST);
		put_version(&w, 0);
		run(&w, translate_loop, replace_loop);
		assert_int_equal(atomic_load(&w.wrong), 0);
		assert_true(atomic_load(&w.right) > 0);
		end(&w);
	}
}

/* ---- unmapping and giving the page away ---- */

static void *write_loop(void *arg)
{
	struct world *w = arg;
	unsigned int me = atomic_fetch_add(&w->next, 1);
	struct task_spin spin = { 0 };
	uint64_t mark = 0xDEAD;

	while (!atomic_load_explicit(&w->done, memory_order_relaxed)) {
		int err;

		uiommu_agent_begin(w->agent[me]);
		err = uiommu_dma_write(w->port[me], w->agent[me], UIOMMU_NO_PASID, IOVA, &mark, 8, NULL);
		uiommu_agent_end(w->agent[me]);
		atomic_fetch_add_explicit(err ? &w->faults : &w->right, 1, memory_order_relaxed);
		task_relax(&spin);
	}
	return NULL;
}

/* Page-selective, with drain: the page is the driver's as soon as the wait is over. */
static void unmap_loop(struct world *w)
{
	for (unsigned int i = 1; i <= UNMAPS; i++) {
		meet(w, i);
		w->r.hw->ops->store64(w->r.hw, w->leaf[0], 0);
		rig_push(&w->r, 2 | 3u << 4 | 3u << 6 | 7u << 16, IOVA);
		assert_true(rig_sync(&w->r));
		rig_put(&w->r, w->data, i);
		for (unsigned int k = 0; k < 10; k++)
			w->r.hw->ops->relax(w->r.hw);
		if (w->r.hw->ops->load64(w->r.hw, w->data) != i)
			atomic_fetch_add(&w->wrong, 1);
		w->r.hw->ops->store64(w->r.hw, w->leaf[0], w->data | 3);
	}
}

static void test_unmap(void **state)
{
	for (unsigned int own = 0; own < 2; own++) {
		struct world w;

		build(&w, own, UIOMMU_PRESET_WEAKEST);
		*rig_word(&w.r, w.entry) = w.ss[0] | 2 << 6 | 2 << 2 | 1;
		*rig_word(&w.r, w.entry + 8) = 7 | 1u << 23;
		run(&w, write_loop, unmap_loop);
		assert_int_equal(atomic_load(&w.wrong), 0);
		assert_true(atomic_load(&w.right) > 0);
		end(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_unmap),
	};

	return cmocka_run_group_tests_name("vtd stress", tests, NULL, NULL);
}
