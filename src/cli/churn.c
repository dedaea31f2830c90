/* SPDX-License-Identifier: MIT */
/*
 * Churn. Its domains map one IOVA to a page of its own and leave a probe page's IOVA
 * unmapped: there, any data at all is another domain's.
 */
#include "cli/churn.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cli/world.h"

struct churn {
	struct world *w;
	struct uiommu_group *group;
	struct uiommu_device *dev;
	struct uiommu_port *port;
	struct uiommu_agent *agent;
	struct task *task;
	_Atomic bool stop;
	uint64_t bad;
	int error;
};

/* The own page must be there, and the probes' IOVA must fault. */
static void look(struct churn *c)
{
	struct uiommu_port *port = c->port;
	uint64_t word = 0;
	int err;

	uiommu_agent_begin(c->agent);
	err = uiommu_dma_read(port, c->agent, UIOMMU_NO_PASID, world_page_pa(CHURN_PAGE), &word, sizeof(word),
			      NULL);
	c->bad += err || word != CHURN_MARK;
	err = uiommu_dma_read(port, c->agent, UIOMMU_NO_PASID, c->w->probe_iova[0], &word, sizeof(word),
			      NULL);
	c->bad += !err;
	uiommu_agent_end(c->agent);
}

static int one_turn(struct churn *c)
{
	bool first = c->w->opts->from == KIND_FIRST || c->w->opts->to == KIND_FIRST;
	struct uiommu_domain_opts opts = {
		.size = sizeof(opts),
		.type = UIOMMU_DOMAIN_PAGING,
		.stage = first ? UIOMMU_STAGE_FIRST : UIOMMU_STAGE_SECOND,
	};
	struct uiommu_domain *domain;
	int err = uiommu_domain_alloc(c->w->iommu, &opts, &domain);

	if (err)
		return err;
	err = uiommu_map(domain, world_page_pa(CHURN_PAGE), world_page_pa(CHURN_PAGE), UIOMMU_PAGE_SIZE,
			 UIOMMU_READ);
	if (!err)
		err = uiommu_attach_group(c->group, domain, NULL);
	if (!err) {
		look(c);
		look(c);
		uiommu_block_group(c->group);
	}
	if (!err)
		err = uiommu_domain_free(domain);
	else
		uiommu_domain_free(domain);
	return err;
}

static void churn_main(void *arg)
{
	struct churn *c = arg;
	struct task_spin spin = { 0 };

	while (!c->error && !atomic_load(&c->stop)) {
		c->error = one_turn(c);
		task_relax(&spin);
	}
}

int churn_start(struct world *w, struct churn **churn)
{
	struct churn *c = calloc(1, sizeof(*c));
	uint64_t mark = CHURN_MARK;
	int err;

	*churn = c;
	if (!c)
		return world_error(w, -ENOMEM, "churn");
	c->w = w;
	memcpy(world_page(w, CHURN_PAGE), &mark, sizeof(mark));
	err = uiommu_group_create(w->iommu, &c->group);
	if (!err)
		err = uiommu_device_add(c->group, CHURN_RID, &c->dev);
	if (!err)
		err = uiommu_port_create(w->hw, CHURN_RID, &c->port);
	if (!err)
		err = uiommu_agent_create(w->ctx, &c->agent);
	if (!err)
		err = task_spawn(w->tasks, "churn", churn_main, c, &c->task);
	return err ? world_error(w, err, "starting churn") : 0;
}

void churn_stop(struct churn *c, uint64_t *bad)
{
	if (!c)
		return;
	atomic_store(&c->stop, true);
	if (c->task)
		task_join(c->task);
	*bad += c->bad;
	if (c->error)
		world_error(c->w, c->error, "churn");
	if (c->agent)
		uiommu_agent_destroy(c->agent);
	if (c->port)
		uiommu_port_destroy(c->port);
	if (c->dev)
		uiommu_device_remove(c->dev);
	if (c->group)
		uiommu_group_destroy(c->group);
	free(c);
}
