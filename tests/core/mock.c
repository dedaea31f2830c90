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

static struct mock_faults *faults_of(const struct core_att *att)
{
	struct mock_iommu *m = to_mock(att->dev->iommu);

	return att->pasid == UIOMMU_NO_PASID ? &m->faults : &m->pasid_faults;
}

static struct mock_domain *to_domain(struct uiommu_domain *domain)
{
	return (struct mock_domain *)domain;
}

static struct mock_hw *hw_of(const struct core_att *att)
{
	struct mock_iommu *m = to_mock(att->dev->iommu);

	if (att->pasid == UIOMMU_NO_PASID)
		return &m->hw[att->dev->rid];
	require(att->pasid && att->pasid < MOCK_PASIDS);
	return &m->pasid_hw[att->dev->rid][att->pasid];
}

static uint8_t *nodes_of(struct uiommu_domain *domain, const struct core_att *att)
{
	if (att->pasid == UIOMMU_NO_PASID)
		return &to_domain(domain)->nodes[att->dev->rid];
	return &to_domain(domain)->pasid_nodes[att->dev->rid][att->pasid];
}

static int mock_domain_alloc(struct uiommu_iommu *iommu, const struct uiommu_domain_opts *opts,
			     struct uiommu_domain **domain)
{
	struct mock_domain *d;

	if (to_mock(iommu)->no_domains ||
	    (to_mock(iommu)->no_identity && opts->type == UIOMMU_DOMAIN_IDENTITY))
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
		for (unsigned int p = 0; p < MOCK_PASIDS; p++) {
			require(m->pasid_hw[i][p].reach[0] != domain && m->pasid_hw[i][p].reach[1] != domain);
			require(!to_domain(domain)->pasid_nodes[i][p]);
		}
	}
	lock_drop(&m->lock);
	alloc_free(&m->base.ctx->alloc, domain);
}

static int mock_map(struct uiommu_domain *domain, uiommu_iova_t iova, uiommu_pa_t pa, uint64_t size,
		    unsigned int prot)
{
	struct mock_iommu *m = to_mock(domain->iommu);
	uint64_t first = iova / UIOMMU_PAGE_SIZE, n = size / UIOMMU_PAGE_SIZE;

	atomic_fetch_add(&to_domain(domain)->maps, 1);
	if (!m->account_maps)
		return 0;
	require(first + n <= MOCK_PAGES);
	for (uint64_t i = first; i < first + n; i++)
		if (to_domain(domain)->page[i] || (int)i == m->map_fails_at)
			return to_domain(domain)->page[i] ? -EEXIST : -ERANGE;
	for (uint64_t i = first; i < first + n; i++)
		to_domain(domain)->page[i] = true;
	return 0;
}

static int mock_unmap(struct uiommu_domain *domain, uiommu_iova_t iova, uint64_t size)
{
	uint64_t first = iova / UIOMMU_PAGE_SIZE, n = size / UIOMMU_PAGE_SIZE;

	atomic_fetch_sub(&to_domain(domain)->maps, 1);
	for (uint64_t i = first; to_mock(domain->iommu)->account_maps && i < first + n; i++)
		to_domain(domain)->page[i] = false;
	return 0;
}

static int mock_iova_to_phys(struct uiommu_domain *domain, uiommu_iova_t iova, uiommu_pa_t *pa)
{
	uint64_t page = iova / UIOMMU_PAGE_SIZE;

	if (to_mock(domain->iommu)->account_maps) {
		require(page < MOCK_PAGES);
		*pa = iova;
		return to_domain(domain)->page[page] ? 0 : -ENOENT;
	}
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
	struct mock_hw *hw = hw_of(&dev->att);

	require(dev->rid < MOCK_DEVS);
	if (dev->max_pasids > m->hw_pasids)
		dev->max_pasids = m->hw_pasids;
	if (hit(&m->faults.probe, dev))
		return -ENXIO;
	dev->drv = alloc_zeroed(&m->base.ctx->alloc, 1, 16);
	if (!dev->drv)
		return -ENOMEM;
	lock_take(&m->lock);
	require(!hw->dev && !hw->prepared);
	hw->dev = dev;
	hw->foreign = dev->deferred;
	hw->reach[0] = m->base.blocking;
	hw->reach[1] = NULL;
	to_domain(hw->reach[0])->nodes[dev->rid]++;
	lock_drop(&m->lock);
	return 0;
}

static int mock_pasid_probe(struct core_att *att)
{
	struct mock_iommu *m = to_mock(att->dev->iommu);
	struct mock_hw *hw = hw_of(att);

	require(att->pasid < att->dev->max_pasids && !att->drv);
	if (hit(&m->pasid_faults.probe, att->dev))
		return -ENOSPC;
	att->drv = alloc_zeroed(&m->base.ctx->alloc, 1, 16);
	if (!att->drv)
		return -ENOMEM;
	lock_take(&m->lock);
	require(!hw->dev && m->hw[att->dev->rid].dev == att->dev);
	*hw = (struct mock_hw){ .dev = att->dev, .reach = { m->base.blocking } };
	++*nodes_of(m->base.blocking, att);
	lock_drop(&m->lock);
	return 0;
}

static void mock_pasid_release(struct core_att *att)
{
	struct mock_iommu *m = to_mock(att->dev->iommu);
	struct mock_hw *hw = hw_of(att);

	lock_take(&m->lock);
	require(hw->dev == att->dev && !hw->prepared);
	require(m->off || (hw->reach[0] == m->base.blocking && !hw->reach[1]));
	if (!m->off)
		--*nodes_of(m->base.blocking, att);
	*hw = (struct mock_hw){ 0 };
	lock_drop(&m->lock);
	alloc_free(&m->base.ctx->alloc, att->drv);
}

static enum uiommu_default mock_def_domain_type(struct uiommu_device *dev)
{
	return to_mock(dev->iommu)->def_type[dev->rid];
}

static int mock_resv_regions(struct uiommu_device *dev,
			     int (*add)(void *opaque, const struct uiommu_resv_region *region), void *opaque)
{
	const struct uiommu_resv_region *region = to_mock(dev->iommu)->resv[dev->rid];

	return region ? add(opaque, region) : 0;
}

static void mock_release(struct uiommu_device *dev)
{
	struct mock_iommu *m = to_mock(dev->iommu);
	struct mock_hw *hw = hw_of(&dev->att);

	lock_take(&m->lock);
	for (unsigned int p = 0; p < MOCK_PASIDS; p++)
		require(!m->pasid_hw[dev->rid][p].dev);
	require(hw->dev == dev && !hw->prepared && hw->foreign == dev->deferred);
	require(m->off || (hw->reach[0] == m->base.blocking && !hw->reach[1]));
	if (!m->off)
		to_domain(m->base.blocking)->nodes[dev->rid]--;
	*hw = (struct mock_hw){ 0 };
	lock_drop(&m->lock);
	alloc_free(&m->base.ctx->alloc, dev->drv);
}

static bool reserved_already(const struct core_slot *slot)
{
	struct uiommu_group *group = slot->dev->group;

	return slot->to == slot->dev->iommu->blocking ||
	       (slot->pasid == UIOMMU_NO_PASID && slot->to == group->default_domain);
}

static int mock_prepare(struct core_slot *slot, struct uiommu_report *report)
{
	struct mock_iommu *m = to_mock(slot->dev->iommu);
	struct mock_hw *hw = hw_of(slot->att);
	int err = 0;

	require(slot->att->dev == slot->dev && slot->att->pasid == slot->pasid);
	require(slot->from == slot->att->domain && (slot->from != slot->to || hw->foreign));
	if (hit(&faults_of(slot->att)->prepare, slot->dev)) {
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
	++*nodes_of(slot->to, slot->att);
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
	struct mock_hw *hw = hw_of(slot->att);

	lock_take(&m->lock);
	require(hw->prepared && !hw->committing && hw->reach[0] == slot->from && !hw->reach[1]);
	hw->prepared = false;
	--*nodes_of(slot->to, slot->att);
	m->aborts++;
	lock_drop(&m->lock);
	alloc_free(&m->base.ctx->alloc, slot->drv);
}

static void lose(struct core_slot *slot)
{
	struct mock_hw *hw = hw_of(slot->att);

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
		struct mock_hw *hw = hw_of(slots[i]->att);

		require(slots[i]->dev->iommu == iommu && hw->prepared && !slots[i]->lost);
		require(!hw->reach[1]);
		require(hw->reach[0] == (direction == CORE_BACK ? slots[i]->to : slots[i]->from));
		require(direction == CORE_FORWARD || hw->committing);
		hw->committing = true;
	}
	for (*done = 0; *done < n; ++*done) {
		struct core_slot *slot = slots[*done];
		struct mock_faults *f = faults_of(slot->att);

		if (hit(direction == CORE_BACK ? &f->back : &f->commit, slot->dev)) {
			/* The error alone says nothing of where the device is. */
			err = slot->dev->rid & 1 ? -EIO : -ETIMEDOUT;
			if (hit(&f->lost, slot->dev))
				lose(slot);
			for (unsigned int i = *done + 1; i < n; i++)
				if (hit(&faults_of(slots[i]->att)->batch_lost, slots[i]->dev))
					lose(slots[i]);
			break;
		}
		hw_of(slot->att)->foreign = false;
		hw_of(slot->att)->reach[0] = direction == CORE_BACK ? slot->from : slot->to;
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
	struct mock_hw *hw = hw_of(slot->att);

	lock_take(&m->lock);
	require(hw->prepared && hw->committing);
	hw->prepared = hw->committing = false;
	if (where) {
		require(hw->reach[0] == where && !hw->reach[1]);
		--*nodes_of(slot->from, slot->att);
		--*nodes_of(slot->to, slot->att);
		++*nodes_of(where, slot->att);
	} else {
		hw->kept[0] = slot->from;
		hw->kept[1] = slot->to;
	}
	m->finishes++;
	lock_drop(&m->lock);
	alloc_free(&m->base.ctx->alloc, slot->drv);
}

static void drop_nodes(struct uiommu_domain *domain, const struct core_att *att)
{
	if (domain)
		*nodes_of(domain, att) = 0;
}

static int mock_park(struct core_att *att)
{
	struct uiommu_device *dev = att->dev;
	struct mock_iommu *m = to_mock(dev->iommu);
	struct mock_hw *hw = hw_of(att);

	lock_take(&m->lock);
	m->parks++;
	if (hit(&faults_of(att)->park, dev)) {
		lock_drop(&m->lock);
		return -ETIMEDOUT;
	}
	if (!hw->prepared) {
		/* No finish follows: what the device held goes now. */
		drop_nodes(hw->kept[0], att);
		drop_nodes(hw->kept[1], att);
		drop_nodes(hw->reach[0], att);
		hw->kept[0] = hw->kept[1] = NULL;
		*nodes_of(m->base.blocking, att) = 1;
	}
	hw->foreign = false;
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
	.pasid_probe = mock_pasid_probe,
	.pasid_release = mock_pasid_release,
	.def_domain_type = mock_def_domain_type,
	.resv_regions = mock_resv_regions,
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
	else if (event->kind == UIOMMU_EVENT_DIRECT_BLOCKED)
		atomic_fetch_add(&events->direct_blocked, 1);
	else if (event->kind == UIOMMU_EVENT_FAULT)
		events->data = event->data;
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
	m->hw_pasids = MOCK_PASIDS;
	m->map_fails_at = -1;
	if (iommu_register(&m->base, ctx, &mock_ops)) {
		alloc_free(&ctx->alloc, m);
		return NULL;
	}
	return &m->base;
}

/* @retained: what the attachment has when nothing keeps it on blocking. */
static void check_att(struct core_att *att, struct uiommu_domain *retained)
{
	struct uiommu_domain *blocking = att->dev->iommu->blocking;
	struct mock_hw *hw = hw_of(att);

	require(hw->dev == att->dev && !hw->prepared && att->slot.state == SLOT_IDLE);
	if (!att->stuck) {
		require(hw->reach[0] == att->domain && !hw->reach[1]);
		require(*nodes_of(att->domain, att) == 1);
		require(att->domain == retained || att->domain == blocking);
		require(!att->dev->reset_depth || att->domain == blocking);
		return;
	}
	require(att->domain == blocking);
	for (unsigned int i = 0; i < 2; i++)
		require(!hw->reach[i] || hw->reach[i] == blocking ||
			(hw->reach[i]->quarantined && *nodes_of(hw->reach[i], att)));
	for (unsigned int i = 0; i < 2; i++)
		require(!hw->kept[i] || hw->kept[i] == blocking || hw->kept[i]->quarantined);
}

static void check_pasids(struct uiommu_device *dev, struct uiommu_group *group)
{
	unsigned int probed = 0, n = 0;

	for (unsigned int p = 0; p < MOCK_PASIDS; p++)
		probed += to_mock(dev->iommu)->pasid_hw[dev->rid][p].dev == dev;
	for (struct core_att *att = dev->lost_pasids; att; att = att->next) {
		require(att->stuck);
		check_att(att, dev->iommu->blocking);
		n++;
	}
	if (group) {
		for_each_pasid(group, b, p) {
			struct core_att *att = pasid_att(p, dev);

			require(!att == !dev->max_pasids);
			if (att)
				check_att(att, p->domain);
			n += !!att;
		}
	}
	require(n == probed);
}

void mock_check(struct uiommu_iommu *iommu)
{
	struct mock_iommu *m = to_mock(iommu);

	for (struct uiommu_device *dev = iommu->devices; dev; dev = dev->next_in_iommu) {
		struct uiommu_group *group = dev->group;

		require(group || dev->att.stuck || dev->lost_pasids);
		require(device_find(iommu, dev->rid) == dev);
		check_att(&dev->att, group ? group->domain : iommu->blocking);
		require(m->hw[dev->rid].foreign == dev->deferred);
		check_pasids(dev, group);
	}
	require(m->prepares == m->aborts + m->finishes);
}

static void clear(struct mock_faults *f)
{
	atomic_store(&f->probe, 0);
	atomic_store(&f->prepare, 0);
	atomic_store(&f->commit, 0);
	atomic_store(&f->back, 0);
	atomic_store(&f->park, 0);
	atomic_store(&f->lost, 0);
	atomic_store(&f->batch_lost, 0);
}

void mock_clear_faults(struct mock_iommu *m)
{
	clear(&m->faults);
	clear(&m->pasid_faults);
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

struct uiommu_device *mock_add_pasids(struct uiommu_group *group, uint16_t rid)
{
	struct uiommu_device_opts opts = { .size = sizeof(opts), .max_pasids = UIOMMU_MAX_PASIDS };
	struct uiommu_device *dev = NULL;

	require(!uiommu_device_add_opts(group, rid, &opts, &dev));
	return dev;
}
