/* SPDX-License-Identifier: MIT */
/* Core and model side by side: see world.h. */
#include "world.h"

#include <stdlib.h>

int world_iommu_of_domain(int domain)
{
	return domain >= M_DOMAINS / 2;
}

struct uiommu_domain *world_domain(struct world *w, int group, int domain)
{
	return domain ? w->domain[domain] : w->iommu[w->m.group[group].iommu]->blocking;
}

struct world *world_create(void)
{
	struct world *w = calloc(1, sizeof(*w));

	require(w);
	w->ctx = mock_ctx(&w->events);
	w->live = w->ctx->alloc.live;
	for (int i = 0; i < 2; i++) {
		w->iommu[i] = mock_iommu(w->ctx);
		require(w->iommu[i]);
	}
	for (int g = 0; g < M_GROUPS; g++) {
		w->m.group[g].iommu = g >= M_GROUPS / 2;
		require(!uiommu_group_create(w->iommu[w->m.group[g].iommu], &w->group[g]));
	}
	for (int d = 0; d < M_DEVS; d++)
		w->m.dev[d].group = -1;
	return w;
}

void world_clear_faults(struct world *w)
{
	for (int d = 0; d < M_DEVS; d++) {
		struct model_dev *dev = &w->m.dev[d];

		dev->fail_prepare = dev->fail = dev->lost = dev->batch_lost = dev->fail_back = false;
		dev->fail_park = false;
	}
	world_set_faults(w);
}

void world_destroy(struct world *w)
{
	world_clear_faults(w);
	if (w->txn)
		world_abort(w);
	for (int d = 0; d < M_DEVS; d++)
		if (w->dev[d])
			world_remove(w, d);
	for (int g = 0; g < M_GROUPS; g++) {
		require(w->group[g]->n_devices == 0);
		uiommu_group_destroy(w->group[g]);
	}
	for (int d = 1; d < M_DOMAINS; d++)
		require(!w->domain[d] || !uiommu_domain_free(w->domain[d]));
	for (int i = 0; i < 2; i++)
		uiommu_iommu_destroy(w->iommu[i]);
	require(w->ctx->alloc.live == w->live);
	require(w->events.parked == w->m.parked);
	uiommu_ctx_destroy(w->ctx);
	free(w);
}

void world_set_faults(struct world *w)
{
	for (int i = 0; i < 2; i++)
		mock_clear_faults(to_mock(w->iommu[i]));
	for (int d = 0; d < M_DEVS; d++) {
		struct mock_faults *f = &to_mock(w->iommu[d >= M_DEVS / 2])->faults;
		const struct model_dev *dev = &w->m.dev[d];
		uint32_t bit = UINT32_C(1) << d;

		f->prepare |= dev->fail_prepare ? bit : 0;
		f->commit |= dev->fail ? bit : 0;
		f->lost |= dev->lost ? bit : 0;
		f->batch_lost |= dev->batch_lost ? bit : 0;
		f->back |= dev->fail_back ? bit : 0;
		f->park |= dev->fail_park ? bit : 0;
	}
}

static unsigned int users(struct world *w, int iommu, int domain)
{
	unsigned int n = 0;

	for (int g = 0; g < M_GROUPS; g++) {
		if (w->m.group[g].iommu != iommu)
			continue;
		n += w->m.group[g].domain == domain;
		n += w->m.group[g].deflt == domain;
	}
	for (int i = 0; w->txn && i < w->n_targets; i++)
		n += w->target[i].pinned && w->target[i].domain == domain &&
		     w->m.group[w->target[i].group].iommu == iommu;
	return n;
}

static void compare_group(struct world *w, int g)
{
	struct uiommu_group *group = w->group[g];
	struct uiommu_device *dev = group->devices;
	unsigned int n = 0;

	require(group->domain == world_domain(w, g, w->m.group[g].domain));
	require(group->default_domain == world_domain(w, g, w->m.group[g].deflt));
	require(group->blocked == w->m.group[g].blocked);
	for (int i = 0; i < w->m.n; i++) {
		int d = w->m.order[i];

		if (w->m.dev[d].group != g)
			continue;
		require(dev && dev == w->dev[d] && dev->rid == d && dev->group == group);
		require(dev->att.stuck == w->m.dev[d].stuck);
		require(dev->att.domain == world_domain(w, g, w->m.dev[d].domain));
		dev = dev->next;
		n++;
	}
	require(!dev && n == group->n_devices && n <= group->n_slots);
}

void world_compare(struct world *w)
{
	for (int g = 0; g < M_GROUPS; g++)
		compare_group(w, g);
	for (int d = 1; d < M_DOMAINS; d++) {
		if (!w->domain[d])
			continue;
		require(domain_users(w->domain[d]) == users(w, world_iommu_of_domain(d), d));
		require(w->domain[d]->quarantined == w->m.quarantined[d]);
	}
	for (int i = 0; i < 2; i++) {
		require(domain_users(w->iommu[i]->blocking) == users(w, i, 0));
		require(!w->iommu[i]->blocking->quarantined);
		if (!w->txn)
			mock_check(w->iommu[i]);
	}
	require(w->events.parked == w->m.parked);
	require(w->events.unwind_failed == w->m.unwind_failed);
	require(w->events.quarantined == w->m.quarantines);
}

static bool pinned(const struct world *w, int group)
{
	for (int i = 0; w->txn && i < w->n_targets; i++)
		if (w->target[i].group == group && w->target[i].pinned)
			return true;
	return false;
}

static void cancel(struct world *w, int group)
{
	for (int i = 0; w->txn && i < w->n_targets; i++) {
		if (w->target[i].group != group || !w->target[i].pinned)
			continue;
		w->target[i].pinned = false;
		w->cancelled = true;
	}
}

void world_alloc(struct world *w, int domain)
{
	enum uiommu_domain_type type = domain % 3 ? UIOMMU_DOMAIN_PAGING : UIOMMU_DOMAIN_IDENTITY;

	w->domain[domain] = mock_domain(w->iommu[world_iommu_of_domain(domain)], type);
	w->m.quarantined[domain] = false;
	world_compare(w);
}

void world_free(struct world *w, int domain)
{
	bool busy = users(w, world_iommu_of_domain(domain), domain);

	require(uiommu_domain_free(w->domain[domain]) == (busy ? -EBUSY : 0));
	if (!busy)
		w->domain[domain] = NULL;
	world_compare(w);
}

int world_add(struct world *w, int group, int dev)
{
	struct uiommu_device *d = NULL;
	int err = pinned(w, group) ? -EBUSY : -EEXIST;

	if (err != -EBUSY && !w->dev[dev]) {
		/* A stuck one that was removed has the RID: it must be parked first. */
		err = 0;
		if (w->m.dev[dev].stuck)
			model_unstick(&w->m, dev);
		if (w->m.dev[dev].stuck)
			err = -ETIMEDOUT;
		else
			err = model_add(&w->m, group, dev);
	}
	require(uiommu_device_add(w->group[group], (uint16_t)dev, &d) == err);
	if (!err)
		w->dev[dev] = d;
	else
		require(!d);
	world_compare(w);
	return err;
}

void world_remove(struct world *w, int dev)
{
	cancel(w, w->m.dev[dev].group);
	model_remove(&w->m, dev);
	uiommu_device_remove(w->dev[dev]);
	w->dev[dev] = NULL;
	world_compare(w);
}

/* What an explicit target does to a later default domain. */
static void set_blocked(struct world *w, int group, int domain, int err)
{
	if (!err)
		w->m.group[group].blocked = !domain;
}

static int change(struct world *w, int group, int domain, bool core)
{
	struct uiommu_domain *to = world_domain(w, group, domain);
	struct uiommu_report report;
	int err = pinned(w, group) ? -EBUSY : model_change(&w->m, group, domain, false, core);

	set_blocked(w, group, domain, err);
	if (core)
		require(uiommu_attach_group(w->group[group], to, &report) == err);
	else
		require(uiommu_group_replace_domain(w->group[group], to, NULL, &report) == err);
	require(!err == !report.reason[0]);
	world_compare(w);
	return err;
}

int world_attach(struct world *w, int group, int domain)
{
	return change(w, group, domain, true);
}

int world_replace(struct world *w, int group, int domain)
{
	return change(w, group, domain, false);
}

void world_detach(struct world *w, int group)
{
	cancel(w, group);
	model_change(&w->m, group, w->m.group[group].deflt, true, false);
	w->m.group[group].blocked = false;
	uiommu_detach_group(w->group[group]);
	world_compare(w);
}

void world_block(struct world *w, int group)
{
	cancel(w, group);
	model_change(&w->m, group, 0, true, false);
	w->m.group[group].blocked = true;
	uiommu_block_group(w->group[group]);
	world_compare(w);
}

int world_set_default(struct world *w, int group, int domain)
{
	int now = w->m.group[group].domain, deflt = w->m.group[group].deflt, err = 0;

	if (pinned(w, group) || (now && now != deflt))
		err = -EBUSY;
	else if (domain != deflt && !w->m.group[group].blocked)
		err = model_change(&w->m, group, domain, false, false);
	if (!err)
		w->m.group[group].deflt = domain;
	require(uiommu_group_set_default_domain(w->group[group], world_domain(w, group, domain)) == err);
	world_compare(w);
	return err;
}

int world_prepare(struct world *w, int n)
{
	struct uiommu_replace_target targets[M_GROUPS];
	struct uiommu_txn *txn = NULL;
	struct uiommu_report report;
	int err = 0, first = w->m.group[w->target[0].group].iommu;

	w->n_moves = 0;
	for (int i = 0; i < n; i++) {
		w->target[i].handle = &w->handle[w->handles++ % 64];
		targets[i] = (struct uiommu_replace_target){
			.group = w->group[w->target[i].group], .pasid = UIOMMU_NO_PASID,
			.domain = world_domain(w, w->target[i].group, w->target[i].domain),
			.handle = w->target[i].handle,
		};
	}
	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < n; i++)
			if ((w->m.group[w->target[i].group].iommu != first) == pass)
				err |= model_collect(&w->m, w->target[i].group, w->target[i].domain, w->moves,
						     &w->n_moves);
	if (!err)
		err = model_prepare(&w->m, w->moves, w->n_moves);
	require(uiommu_replace_prepare(w->ctx, targets, (unsigned int)n, NULL, &txn, &report) == err);
	require(!err == !!txn && !err == !report.reason[0]);
	w->txn = txn;
	w->cancelled = false;
	w->n_targets = n;
	for (int i = 0; i < n; i++)
		w->target[i].pinned = !err;
	world_compare(w);
	return err;
}

int world_commit(struct world *w)
{
	struct uiommu_report report;
	int err = w->cancelled ? -ECANCELED : model_commit(&w->m, w->moves, w->n_moves);

	for (int i = 0; i < w->n_targets && !err; i++) {
		w->m.group[w->target[i].group].domain = w->target[i].domain;
		set_blocked(w, w->target[i].group, w->target[i].domain, 0);
	}
	require(uiommu_replace_commit(w->txn, &report) == err);
	require(!err == !report.reason[0]);
	w->txn = NULL;
	for (int i = 0; i < w->n_targets && !err; i++)
		require(w->group[w->target[i].group]->handle == w->target[i].handle);
	world_compare(w);
	return err;
}

void world_abort(struct world *w)
{
	uiommu_replace_abort(w->txn);
	w->txn = NULL;
	world_compare(w);
}
