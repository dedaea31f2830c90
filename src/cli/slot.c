/* SPDX-License-Identifier: MIT */
/*
 * The domains that rotate: made with all their mappings, given new probe pages
 * while nobody is attached, destroyed. A set of probe pages that a domain gives up
 * is poisoned at once: an access that still reaches it is judged wrong.
 */
#include <errno.h>
#include <string.h>

#include "cli/world.h"

/* Identity domains all show the same pages, hence one stamp. */
#define IDENTITY_ID 1

static unsigned int set_page(unsigned int set, unsigned int i)
{
	return FIRST_SET_PAGE + set * SET_PAGES + i;
}

static uint64_t iova_of(const struct world *w, unsigned int i)
{
	return i < PROBE_PAGES ? w->probe_iova[i] : w->write_iova;
}

static void stamp_set(struct world *w, unsigned int set, unsigned int n, struct probe_stamp stamp)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		probe_stamp_page(world_page(w, set_page(set, i)), UIOMMU_PAGE_SIZE, iova_of(w, i), stamp);
}

void slot_poison_set(struct world *w, unsigned int set)
{
	struct probe_stamp poison = { SLOT_POISON, SLOT_POISON };

	stamp_set(w, set, SET_PAGES, poison);
}

/* A write that landed after its page was given up, or in a set that nobody had, shows here. */
static void look_for_late_writes(struct world *w, unsigned int set)
{
	const struct probe_cell *cell;
	unsigned int i, k;

	for (i = 0; i < SET_PAGES; i++) {
		cell = (const struct probe_cell *)(const void *)world_page(w, set_page(set, i));
		for (k = 0; k < UIOMMU_PAGE_SIZE / sizeof(*cell); k++)
			w->late_writes += cell[k].domain != SLOT_POISON ||
					  cell[k].generation != SLOT_POISON ||
					  cell[k].iova != iova_of(w, i) + k * sizeof(*cell);
	}
}

void slot_check_sets(struct world *w)
{
	unsigned int set;

	for (set = 0; set < SETS; set++)
		if (!w->set_taken[set])
			look_for_late_writes(w, set);
}

int slot_take_set(struct world *w, struct slot *s)
{
	unsigned int n;

	for (n = 0; n < SETS && w->set_taken[w->next_set]; n++)
		w->next_set = (w->next_set + 1) % SETS;
	if (n == SETS)
		return world_error(w, -ENOSPC, "no set of probe pages is free");
	s->set = w->next_set;
	w->set_taken[s->set] = true;
	w->next_set = (w->next_set + 1) % SETS;
	s->stamp.generation = ++w->next_generation;
	look_for_late_writes(w, s->set);
	/* The page that is written to keeps its poison. */
	stamp_set(w, s->set, PROBE_PAGES, s->stamp);
	return 0;
}

void slot_drop_set(struct world *w, unsigned int set)
{
	if (set == SETS)
		return;
	slot_poison_set(w, set);
	w->set_taken[set] = false;
}

static int map_probes(struct world *w, struct slot *s)
{
	unsigned int i;
	int err;

	for (i = 0; i < SET_PAGES; i++) {
		err = uiommu_map(s->domain, iova_of(w, i), world_page_pa(set_page(s->set, i)),
				 UIOMMU_PAGE_SIZE,
				 i < PROBE_PAGES ? UIOMMU_READ : UIOMMU_READ | UIOMMU_WRITE);
		if (err)
			return world_error(w, err, "mapping a probe page");
	}
	return 0;
}

int slot_map_all(struct world *w, struct slot *s)
{
	unsigned int i, filler = w->mappings - MIN_MAPPINGS;
	uiommu_pa_t pa;
	int err;

	err = map_probes(w, s);
	if (err)
		return err;
	/* Page by page, so that the count of mappings is a count of entries. */
	for (i = FIRST_RING_PAGE; i < FIRST_SET_PAGE; i++) {
		pa = world_page_pa(i);
		err = uiommu_map(s->domain, pa, pa, UIOMMU_PAGE_SIZE, UIOMMU_READ | UIOMMU_WRITE);
		if (err)
			return world_error(w, err, "mapping the windows");
	}
	for (i = 0; i < filler; i++) {
		err = uiommu_map(s->domain, FILLER_IOVA + (uint64_t)i * UIOMMU_PAGE_SIZE,
				 world_page_pa(FILLER_PAGE), UIOMMU_PAGE_SIZE, UIOMMU_READ);
		if (err)
			return world_error(w, err, "mapping page %u", i);
	}
	return 0;
}

int slot_unmap_all(struct world *w, struct slot *s)
{
	uint64_t filler = (uint64_t)(w->mappings - MIN_MAPPINGS) * UIOMMU_PAGE_SIZE;
	int err;

	err = uiommu_unmap(s->domain, RAM_BASE, (uint64_t)RAM_PAGES * UIOMMU_PAGE_SIZE);
	if (!err && filler)
		err = uiommu_unmap(s->domain, FILLER_IOVA, filler);
	return err ? world_error(w, err, "unmapping all") : 0;
}

int slot_make(struct world *w, struct slot *s, enum kind kind)
{
	struct uiommu_domain_opts opts = {
		.size = sizeof(opts),
		.type = kind == KIND_IDENTITY ? UIOMMU_DOMAIN_IDENTITY : UIOMMU_DOMAIN_PAGING,
		.stage = kind == KIND_FIRST    ? UIOMMU_STAGE_FIRST
			 : kind == KIND_SECOND ? UIOMMU_STAGE_SECOND
					       : UIOMMU_STAGE_ANY,
	};
	int err;

	memset(s, 0, sizeof(*s));
	s->kind = kind;
	s->set = SETS;
	if (kind == KIND_BLOCKED) {
		s->domain = uiommu_blocking_domain(w->iommu);
		return 0;
	}
	err = uiommu_domain_alloc(w->iommu, &opts, &s->domain);
	if (err)
		return world_error(w, err, "allocating a domain (%s)", kind_names[kind]);
	if (kind == KIND_IDENTITY) {
		s->stamp = (struct probe_stamp){ IDENTITY_ID, 1 };
		return 0;
	}
	s->stamp.domain = ++w->next_id;
	err = slot_take_set(w, s);
	if (!err)
		err = slot_map_all(w, s);
	return err;
}

int slot_free(struct world *w, struct slot *s)
{
	int err = 0;

	if (s->domain && s->kind != KIND_BLOCKED)
		err = uiommu_domain_free(s->domain);
	if (err)
		return world_error(w, err, "freeing a domain that nobody should use");
	slot_drop_set(w, s->set);
	s->set = SETS;
	s->domain = NULL;
	return 0;
}

int slot_refresh(struct world *w, struct slot *s)
{
	unsigned int former = s->set, i;
	int err;

	if (s->kind != KIND_SECOND && s->kind != KIND_FIRST)
		return 0;
	err = slot_take_set(w, s);
	for (i = 0; !err && i < SET_PAGES; i++) {
		err = uiommu_unmap(s->domain, iova_of(w, i), UIOMMU_PAGE_SIZE);
		if (err)
			world_error(w, err, "unmapping a probe page");
	}
	if (!err)
		err = map_probes(w, s);
	slot_drop_set(w, former);
	return err;
}
