/* SPDX-License-Identifier: MIT */
/*
 * Making and ending the world of a scenario. Everything is torn down in reverse
 * order of construction, from wherever construction stopped.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <uiommu/copy.h>

#include "base/ctx.h"
#include "base/mem.h"
#include "cli/churn.h"
#include "cli/traffic.h"
#include "cli/world.h"

int world_error(struct world *w, int err, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	if (w->error_len && !w->error[0]) {
		va_start(ap, fmt);
		vsnprintf(w->error, w->error_len, fmt, ap);
		va_end(ap);
		n = strlen(w->error);
		snprintf(w->error + n, w->error_len - n, ": %s", strerror(-err));
	}
	return err;
}

/* Memory behind an accessor: the same bytes, but no pointer for the model to keep. */
static int ram_read(void *opaque, uint64_t off, void *buf, size_t len)
{
	struct world *w = opaque;
	_Atomic uint64_t *words = (_Atomic uint64_t *)(void *)w->ram;
	unsigned char *to = buf;
	uint64_t word;
	size_t part;

	while (len) {
		part = 8 - off % 8 < len ? 8 - off % 8 : len;
		word = atomic_load_explicit(&words[off / 8], memory_order_relaxed);
		memcpy(to, (const unsigned char *)&word + off % 8, part);
		to += part;
		off += part;
		len -= part;
	}
	return 0;
}

static int ram_write(void *opaque, uint64_t off, const void *buf, size_t len)
{
	struct world *w = opaque;
	_Atomic unsigned char *to = (_Atomic unsigned char *)(void *)w->ram;
	_Atomic uint64_t *words = (_Atomic uint64_t *)(void *)w->ram;
	const unsigned char *from = buf;
	uint64_t word;

	while (len) {
		if (off % 8 || len < 8) {
			atomic_store_explicit(&to[off++], *from++, memory_order_release);
			len--;
			continue;
		}
		memcpy(&word, from, 8);
		atomic_store_explicit(&words[off / 8], word, memory_order_release);
		off += 8;
		from += 8;
		len -= 8;
	}
	return 0;
}

static const struct uiommu_mem_ops ram_ops = { ram_read, ram_write };

static int make_memory(struct world *w)
{
	size_t bytes = (size_t)RAM_PAGES * UIOMMU_PAGE_SIZE;
	struct uiommu_ctx_opts opts = { .size = sizeof(opts) };
	struct probe_stamp identity = { 1, 1 };
	unsigned int i;
	int err;

	/* Tables for SLOTS domains, 8 bytes a mapping, and room for directories. */
	opts.pool_bytes = (size_t)w->mappings * 8 * (SLOTS + 1) * 2 + ((size_t)64 << 20);
	opts.pool_bytes &= ~((size_t)UIOMMU_PAGE_SIZE - 1);
	err = uiommu_ctx_create(&opts, &w->ctx);
	if (err)
		return world_error(w, err, "making a context");
	w->ram = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (w->ram == MAP_FAILED) {
		w->ram = NULL;
		return world_error(w, -ENOMEM, "%zu bytes of memory", bytes);
	}
	memset(w->ram, 0, bytes);
	if (w->opts->accessor)
		err = uiommu_mem_add_accessor(w->ctx, RAM_BASE, bytes, &ram_ops, w);
	else
		err = uiommu_mem_add_pointer(w->ctx, RAM_BASE, bytes, w->ram);
	if (err)
		return world_error(w, err, "adding memory");
	w->write_iova = world_page_pa(PROBE_PAGES);
	for (i = 0; i < PROBE_PAGES; i++) {
		w->probe_iova[i] = world_page_pa(i);
		probe_stamp_page(world_page(w, i), UIOMMU_PAGE_SIZE, w->probe_iova[i], identity);
	}
	for (i = 0; i < SETS; i++)
		slot_poison_set(w, i);
	return 0;
}

static int make_iommu(struct world *w)
{
	struct uiommu_vtd_model_opts model = {
		.size = sizeof(model),
		.preset = w->opts->preset,
		.own_thread = w->opts->own_thread,
	};
	struct uiommu_vtd_opts driver = {
		.size = sizeof(driver),
		.mode = w->opts->mode,
		.no_store128 = w->opts->no_store128,
		.any_order = w->opts->any_order,
	};
	int err;

	err = uiommu_vtd_model_create(w->ctx, &model, &w->hw);
	if (err)
		return world_error(w, err, "making the VT-d model");
	err = uiommu_vtd_create(w->ctx, w->hw, &driver, &w->iommu);
	return err ? world_error(w, err, "programming the VT-d unit") : 0;
}

static int make_devices(struct world *w)
{
	unsigned int i;
	int err;

	err = uiommu_group_create(w->iommu, &w->victim);
	for (i = 0; !err && i < 2; i++)
		err = uiommu_device_add(w->victim, (uint16_t)(VICTIM_RID + i), &w->victim_dev[i]);
	for (i = 0; !err && i < BYSTANDERS; i++) {
		err = uiommu_group_create(w->iommu, &w->bystander[i]);
		if (!err)
			err = uiommu_device_add(w->bystander[i], (uint16_t)(BYSTANDER_RID + 8 * i),
						&w->bystander_dev[i]);
	}
	if (!err)
		err = uiommu_port_create(w->hw, VICTIM_RID + 1, &w->port[0]);
	for (i = 0; !err && i < BYSTANDERS; i++)
		err = uiommu_port_create(w->hw, (uint16_t)(BYSTANDER_RID + 8 * i), &w->port[1 + i]);
	if (!err && w->opts->len)
		err = uiommu_copy_create(w->ctx, w->hw, VICTIM_RID, w->opts->threads, &w->engine);
	return err ? world_error(w, err, "plugging the devices in") : 0;
}

int world_create(const struct scenario_opts *opts, struct world **world, char *error, size_t error_len)
{
	struct world *w = calloc(1, sizeof(*w));
	unsigned int i;
	int err;

	*world = w;
	if (!w)
		return -ENOMEM;
	w->opts = opts;
	w->mappings = opts->mappings < MIN_MAPPINGS ? MIN_MAPPINGS : opts->mappings;
	w->error = error;
	w->error_len = error_len;
	w->next_id = 100;
	w->next_generation = 1;
	for (i = 0; i < SLOTS; i++)
		w->slot[i].set = SETS;
	err = make_memory(w);
	if (!err)
		err = task_set_create(&w->ctx->alloc, opts->seed, &w->tasks);
	if (!err)
		err = make_iommu(w);
	if (!err)
		err = make_devices(w);
	return err;
}

static void stop_probe(struct probe **probe)
{
	if (!*probe)
		return;
	probe_stop(*probe);
	probe_free(*probe);
	*probe = NULL;
}

static void remove_group(struct uiommu_group *group, struct uiommu_device **dev, unsigned int n)
{
	unsigned int i;

	if (!group)
		return;
	uiommu_block_group(group);
	for (i = 0; i < n; i++)
		if (dev[i])
			uiommu_device_remove(dev[i]);
	uiommu_group_destroy(group);
}

void world_destroy(struct world *w)
{
	uint64_t unread = 0;
	unsigned int i;

	if (!w)
		return;
	churn_stop(w->churn, &unread);
	traffic_stop(w->traffic);
	uiommu_copy_destroy(w->engine);
	stop_probe(&w->victim_probe);
	for (i = 0; i < BYSTANDERS; i++)
		stop_probe(&w->bystander_probe[i]);
	for (i = 0; i < 1 + BYSTANDERS; i++)
		if (w->port[i])
			uiommu_port_destroy(w->port[i]);
	remove_group(w->victim, w->victim_dev, 2);
	for (i = 0; i < BYSTANDERS; i++)
		remove_group(w->bystander[i], &w->bystander_dev[i], 1);
	for (i = 0; i < SLOTS; i++)
		slot_free(w, &w->slot[i]);
	uiommu_iommu_destroy(w->iommu);
	uiommu_hw_destroy(w->hw);
	if (w->tasks)
		task_set_destroy(w->tasks);
	uiommu_ctx_destroy(w->ctx);
	if (w->ram)
		munmap(w->ram, (size_t)RAM_PAGES * UIOMMU_PAGE_SIZE);
	free(w);
}
