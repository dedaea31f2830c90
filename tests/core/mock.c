/* SPDX-License-Identifier: MIT */
/* The mock driver: see mock.h. m->lock guards the records, not the core's objects. */
#include "mock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/choice.h"

static _Atomic uint64_t current_seed;

void mock_seed(uint64_t seed)
{
	atomic_store(&current_seed, seed);
}

void mock_die(const char *cond, const char *file, int line)
{
	fprintf(stderr, "%s:%d: not so: %s (seed %llu)\n", file, line, cond,
		(unsigned long long)atomic_load(&current_seed));
	abort();
}

static bool hit(_Atomic uint32_t *mask, const struct uiommu_device *dev)
{
	return atomic_load_explicit(mask, memory_order_relaxed) & UINT32_C(1) << dev->rid;
}

static struct mock_domain *to_domain(struct uiommu_domain *domain)
{
	return (struct mock_domain *)domain;
}

static struct mock_hw *hw_of(struct uiommu_device *dev)
{
	return &to_mock(dev->iommu)->hw[dev->rid];
}

static int mock_domain_alloc(struct uiommu_iommu *iommu, const struct uiommu_domain_opts *opts,
			     struct uiommu_domain **domain)
{
	struct mock_domain *d;

	if (to_mock(iommu)->no_domains)
		return -EOPNOTSUPP;
	if (opts->type == UIOMMU_DOMAIN_BLOCKED) {
		require(!iommu->blocking);
		if (to_mock(iommu)->no_blocking)
			return -ENOSPC;
	}
	d = alloc_struct(&iommu->ctx->alloc, struct mock_domain);
	if (!d)
		return -ENOMEM;
	if (opts->type == UIOMMU_DOMAIN_PAGING)
		d->base.stage = opts->stage == UIOMMU_STAGE_ANY ? UIOMMU_STAGE_SECOND : opts->stage;
	*domain = &d->base;
	return 0;
}

static void mock_domain_free(struct uiommu_domain *domain)
{
	struct mock_iommu *m = to_mock(domain->iommu);

	lock_take(&m->lock);
	for (unsigned int i = 0; i < MOCK_DEVS && !m->off; i++) {
		require(m->hw[i].reach[0] != domain && m->hw[i].reach[1] != domain);
		require(!to_domain(domain)->nodes[i]);
	}
	lock_drop(&m->lock);
	alloc_free(&m->base.ctx->alloc, domain);
}

static int mock_map(struct uiommu_domain *domain, uiommu_iova_t iova, uiommu_pa_t pa, uint64_t size,
		    unsigned int prot)
{
	atomic_fetch_add(&to_domain(domain)->maps, 1);
	return 0;
}

static int mock_unmap(struct uiommu_domain *domain, uiommu_iova_t iova, uint64_t size)
{
	atomic_fetch_sub(&to_domain(domain)->maps, 1);
	return 0;
}

static int mock_iova_to_phys(struct uiommu_domain *domain, uiommu_iova_t iova, uiommu_pa_t *pa)
{
	*pa = iova + 0x1000;
	return 0;
}

static int mock_reserve(struct uiommu_domain *domain)
{
	struct mock_iommu *m = to_mock(domain->iommu);

	lock_take(&m->lock);
	m->reserves++;
	lock_drop(&m->lock);
	return m->no_reserve ? -ENOSPC : 0;
}

static int mock_probe(struct uiommu_device *dev)
{
	struct mock_iommu *m = to_mock(dev->iommu);
	struct mock_hw *hw = hw_of(dev);

	require(dev->rid < MOCK_DEVS);
	if (hit(&m->faults.probe, dev))
		return -ENXIO;
	dev->drv = alloc_zeroed(&m->base.ctx->alloc, 1, 16);
	if (!dev->drv)
		return -ENOMEM;
	lock_take(&m->lock);
	require(!hw->dev && !hw->prepared);
	hw->dev = dev;
	hw->reach[0] = m->base.blocking;
	hw->reach[1] = NULL;
	to_domain(hw->reach[0])->nodes[dev->rid]++;
	lock_drop(&m->lock);
	return 0;
}

static void mock_release(struct uiommu_device *dev)
{
	struct mock_iommu *m = to_mock(dev->iommu);
	struct mock_hw *hw = hw_of(dev);

	lock_take(&m->lock);
	require(hw->dev == dev && !hw->prepared);
	require(m->off || (hw->reach[0] == m->base.blocking && !hw->reach[1]));
	if (!m->off)
		to_domain(m->base.blocking)->nodes[dev->rid]--;
	*hw = (struct mock_hw){ 0 };
	lock_drop(&m->lock);
	alloc_free(&m->base.ctx->alloc, dev->drv);
}

static bool reserved_already(const struct core_slot *slot)
{
	return slot->to == slot->dev->iommu->blocking || slot->to == slot->dev->group->default_domain;
}

static int mock_prepare(struct core_slot *slot, struct uiommu_report *report)
{
	struct mock_iommu *m = to_mock(slot->dev->iommu);
	struct mock_hw *hw = hw_of(slot->dev);
	int err = 0;

	require(slot->pasid == UIOMMU_NO_PASID && slot->from != slot->to);
	if (hit(&m->faults.prepare, slot->dev)) {
		snprintf(report->reason, sizeof(report->reason), "told to fail");
		return -ENOSPC;
	}
	if (!reserved_already(slot)) {
		slot->drv = alloc_zeroed(&m->base.ctx->alloc, 1, 8);
		if (!slot->drv)
			return -ENOMEM;
	}
	lock_take(&m->lock);
	require(hw->dev == slot->dev && !hw->prepared);
	require(hw->reach[0] == slot->from && !hw->reach[1]);
	hw->prepared = true;
	hw->committing = false;
	to_domain(slot->to)->nodes[slot->dev->rid]++;
	m->prepares++;
	m->saw_opts = slot->opts;
	if (slot->opts) {
		m->demand = slot->opts->worst_gap;
		m->equal_start = slot->opts->equal_start;
		m->equal_last = slot->opts->equal_last;
	}
	report->gap = m->gap[slot->dev->rid];
	report->best_gap = report->gap ? m->best_gap : UIOMMU_GAP_NONE;
	report->strategy = report->gap ? UIOMMU_STRATEGY_BREAK : UIOMMU_STRATEGY_SINGLE_STORE;
	report->stores = 1;
	report->config_syncs = 2;
	report->tag_flushes = 3;
	if (report->gap)
		snprintf(report->reason, sizeof(report->reason), "gap of device %u", slot->dev->rid);
	lock_drop(&m->lock);
	return err;
}

static void mock_abort(struct core_slot *slot)
{
	struct mock_iommu *m = to_mock(slot->dev->iommu);
	struct mock_hw *hw = hw_of(slot->dev);

	lock_take(&m->lock);
	require(hw->prepared && !hw->committing && hw->reach[0] == slot->from && !hw->reach[1]);
	hw->prepared = false;
	to_domain(slot->to)->nodes[slot->dev->rid]--;
	m->aborts++;
	lock_drop(&m->lock);
	alloc_free(&m->base.ctx->alloc, slot->drv);
}

static void lose(struct core_slot *slot)
{
	struct mock_hw *hw = hw_of(slot->dev);

	slot->lost = true;
	hw->reach[0] = slot->from;
	hw->reach[1] = slot->to;
}

static int mock_commit(struct uiommu_iommu *iommu, struct core_slot **slots, unsigned int n,
		       enum core_direction direction, unsigned int *done, struct uiommu_report *report)
{
	struct mock_iommu *m = to_mock(iommu);
	int err = 0;

	require(n);
	choice_interleave(CHOICE_CORE);
	lock_take(&m->lock);
	for (unsigned int i = 0; i < n; i++) {
		struct mock_hw *hw = hw_of(slots[i]->dev);

		require(slots[i]->dev->iommu == iommu && hw->prepared && !slots[i]->lost);
		require(!hw->reach[1]);
		require(hw->reach[0] == (direction == CORE_BACK ? slots[i]->to : slots[i]->from));
		require(direction == CORE_FORWARD || hw->committing);
		hw->committing = true;
	}
	for (*done = 0; *done < n; ++*done) {
		struct core_slot *slot = slots[*done];

		if (hit(direction == CORE_BACK ? &m->faults.back : &m->faults.commit, slot->dev)) {
			/* The error alone says nothing of where the device is. */
			err = slot->dev->rid & 1 ? -EIO : -ETIMEDOUT;
			if (hit(&m->faults.lost, slot->dev))
				lose(slot);
			for (unsigned int i = *done + 1; i < n; i++)
				if (hit(&m->faults.batch_lost, slots[i]->dev))
					lose(slots[i]);
			break;
		}
		hw_of(slot->dev)->reach[0] = direction == CORE_BACK ? slot->from : slot->to;
	}
	m->commits += direction == CORE_FORWARD;
	m->backs += direction == CORE_BACK;
	m->commit_slots = n;
	if (report) {
		report->cpu_ns += 10;
		report->drain_ns += 20;
	}
	lock_drop(&m->lock);
	return err;
}

static void mock_finish(struct core_slot *slot, struct uiommu_domain *where)
{
	struct mock_iommu *m = to_mock(slot->dev->iommu);
	struct mock_hw *hw = hw_of(slot->dev);
	uint16_t rid = slot->dev->rid;

	lock_take(&m->lock);
	require(hw->prepared && hw->committing);
	hw->prepared = hw->committing = false;
	if (where) {
		require(hw->reach[0] == where && !hw->reach[1]);
		to_domain(slot->from)->nodes[rid]--;
		to_domain(slot->to)->nodes[rid]--;
		to_domain(where)->nodes[rid]++;
	} else {
		hw->kept[0] = slot->from;
		hw->kept[1] = slot->to;
	}
	m->finishes++;
	lock_drop(&m->lock);
	alloc_free(&m->base.ctx->alloc, slot->drv);
}

static void drop_nodes(struct uiommu_domain *domain, uint16_t rid)
{
	if (domain)
		to_domain(domain)->nodes[rid] = 0;
}

static int mock_park(struct core_att *att)
{
	struct uiommu_device *dev = att->dev;
	struct mock_iommu *m = to_mock(dev->iommu);
	struct mock_hw *hw = hw_of(dev);

	lock_take(&m->lock);
	m->parks++;
	if (hit(&m->faults.park, dev)) {
		lock_drop(&m->lock);
		return -ETIMEDOUT;
	}
	if (!hw->prepared) {
		/* No finish follows: what the device held goes now. */
		drop_nodes(hw->kept[0], dev->rid);
		drop_nodes(hw->kept[1], dev->rid);
		drop_nodes(hw->reach[0], dev->rid);
		hw->kept[0] = hw->kept[1] = NULL;
		to_domain(m->base.blocking)->nodes[dev->rid] = 1;
	}
	hw->reach[0] = m->base.blocking;
	hw->reach[1] = NULL;
	lock_drop(&m->lock);
	return 0;
}

static void mock_destroy(struct uiommu_iommu *iommu)
{
	struct mock_iommu *m = to_mock(iommu);

	m->off = true;
	iommu_unregister(iommu);
	for (unsigned int i = 0; i < MOCK_DEVS; i++)
		require(!m->hw[i].dev);
	alloc_free(&iommu->ctx->alloc, m);
}

static const struct iommu_ops mock_ops = {
	.name = "mock",
	.domain_alloc = mock_domain_alloc,
	.domain_free = mock_domain_free,
	.map = mock_map,
	.unmap = mock_unmap,
	.iova_to_phys = mock_iova_to_phys,
	.reserve = mock_reserve,
	.probe = mock_probe,
	.release = mock_release,
	.prepare = mock_prepare,
	.abort = mock_abort,
	.commit = mock_commit,
	.finish = mock_finish,
	.park = mock_park,
	.destroy = mock_destroy,
};

static void count_event(void *opaque, const struct uiommu_event *event)
{
	struct mock_events *events = opaque;

	require(event->text && event->text[0]);
	if (event->kind == UIOMMU_EVENT_PARKED)
		atomic_fetch_add(&events->parked, 1);
	else if (event->kind == UIOMMU_EVENT_UNWIND_FAILED)
		atomic_fetch_add(&events->unwind_failed, 1);
	else if (event->kind == UIOMMU_EVENT_QUARANTINED)
		atomic_fetch_add(&events->quarantined, 1);
	else
		require(!"an event that the core has");
}

struct uiommu_ctx *mock_ctx(struct mock_events *events)
{
	struct uiommu_ctx_opts opts = {
		.size = sizeof(opts), .event = count_event, .opaque = events, .pool_bytes = 1 << 21,
	};
	struct uiommu_ctx *ctx = NULL;

	require(!uiommu_ctx_create(&opts, &ctx));
	return ctx;
}

struct uiommu_iommu *mock_iommu(struct uiommu_ctx *ctx)
{
	struct mock_iommu *m = alloc_struct(&ctx->alloc, struct mock_iommu);

	if (!m)
		return NULL;
	lock_init(&m->lock);
	if (iommu_register(&m->base, ctx, &mock_ops)) {
		alloc_free(&ctx->alloc, m);
		return NULL;
	}
	return &m->base;
}

void mock_check(struct uiommu_iommu *iommu)
{
	struct mock_iommu *m = to_mock(iommu);

	for (struct uiommu_device *dev = iommu->devices; dev; dev = dev->next_in_iommu) {
		struct mock_hw *hw = hw_of(dev);

		require(hw->dev == dev && !hw->prepared && dev->att.slot.state == SLOT_IDLE);
		if (!dev->att.stuck) {
			require(hw->reach[0] == dev->att.domain && !hw->reach[1]);
			require(to_domain(dev->att.domain)->nodes[dev->rid] == 1);
			require(dev->att.domain == dev->group->domain || dev->att.domain == iommu->blocking);
			continue;
		}
		require(dev->att.domain == iommu->blocking);
		for (unsigned int i = 0; i < 2; i++)
			require(!hw->reach[i] || hw->reach[i] == iommu->blocking ||
				(hw->reach[i]->quarantined && to_domain(hw->reach[i])->nodes[dev->rid]));
		for (unsigned int i = 0; i < 2; i++)
			require(!hw->kept[i] || hw->kept[i] == iommu->blocking || hw->kept[i]->quarantined);
	}
	require(m->prepares == m->aborts + m->finishes);
}

void mock_clear_faults(struct mock_iommu *m)
{
	atomic_store(&m->faults.probe, 0);
	atomic_store(&m->faults.prepare, 0);
	atomic_store(&m->faults.commit, 0);
	atomic_store(&m->faults.back, 0);
	atomic_store(&m->faults.park, 0);
	atomic_store(&m->faults.lost, 0);
	atomic_store(&m->faults.batch_lost, 0);
}

struct uiommu_domain *mock_domain(struct uiommu_iommu *iommu, enum uiommu_domain_type type)
{
	struct uiommu_domain_opts opts = { .size = sizeof(opts), .type = type };
	struct uiommu_domain *domain = NULL;

	require(!uiommu_domain_alloc(iommu, &opts, &domain));
	return domain;
}

struct uiommu_device *mock_add(struct uiommu_group *group, uint16_t rid)
{
	struct uiommu_device *dev = NULL;

	require(!uiommu_device_add(group, rid, &dev));
	return dev;
}
