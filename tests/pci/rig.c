/* SPDX-License-Identifier: MIT */
/* A copy engine behind the mock IOMMU; see rig.h. */
#include "pci/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void map_scattered(struct rig *rig, uiommu_pa_t mem)
{
	unsigned int order[MOCK_MEM_PAGES - RIG_RING_PAGES];
	const unsigned int n = sizeof(order) / sizeof(order[0]);

	for (unsigned int i = 0; i < n; i++)
		order[i] = i;
	for (unsigned int i = n - 1; i; i--) {
		unsigned int j = mock_random(&rig->rng) % (i + 1), t = order[i];

		order[i] = order[j];
		order[j] = t;
	}
	for (unsigned int i = 0; i < RIG_PAGES; i++)
		mock_map(rig->m, 0, (uint64_t)i * UIOMMU_PAGE_SIZE,
			 mem + (uint64_t)order[i] * UIOMMU_PAGE_SIZE, UIOMMU_READ | UIOMMU_WRITE);
	for (unsigned int i = 0; i < RIG_RING_PAGES; i++)
		mock_map(rig->m, 0, RIG_RINGS + i * UIOMMU_PAGE_SIZE, mem + (n + i) * UIOMMU_PAGE_SIZE,
			 UIOMMU_READ | UIOMMU_WRITE);
	rig->rings = mock_at(rig->m, RIG_RINGS);
}

struct rig *rig_create(const struct rig_opts *opts)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct copy_client_opts client = {
		.iova = RIG_RINGS,
		.size_lg2 = opts->size_lg2 ? opts->size_lg2 : 4,
		.pasid = opts->pasid ? opts->pasid : UIOMMU_NO_PASID,
		.retry = opts->retry,
		.resubmit = opts->resubmit,
	};

	assert_non_null(rig);
	rig->rng = opts->seed;
	rig->m = mock_create(opts->seed);
	map_scattered(rig, opts->mem ? opts->mem : MOCK_POINTER_PA);
	atomic_store(&rig->m->want_pasid, client.pasid);
	assert_int_equal(uiommu_copy_create(rig->m->ctx, &rig->m->hw, 0x10, opts->threads ? opts->threads : 1,
					    &rig->copy),
			 0);
	client.alloc = &rig->m->ctx->alloc;
	client.copy = rig->copy;
	client.mem = rig->rings;
	assert_true(copy_client_bytes(client.size_lg2) <= RIG_RING_PAGES * UIOMMU_PAGE_SIZE);
	if (!opts->no_client)
		assert_int_equal(copy_client_create(&client, &rig->client), 0);
	return rig;
}

void rig_destroy(struct rig *rig)
{
	copy_client_destroy(rig->client);
	uiommu_copy_destroy(rig->copy);
	mock_destroy(rig->m);
	free(rig);
}

void rig_scramble(struct rig *rig)
{
	for (size_t i = 0; i < RIG_BYTES; i += 8) {
		uint64_t r = mock_random(&rig->rng);

		memcpy(&rig->data[i], &r, 8);
	}
	for (unsigned int i = 0; i < RIG_PAGES; i++)
		memcpy(mock_at(rig->m, (uint64_t)i * UIOMMU_PAGE_SIZE), &rig->data[i * UIOMMU_PAGE_SIZE],
		       UIOMMU_PAGE_SIZE);
}

void rig_check(struct rig *rig)
{
	for (unsigned int i = 0; i < RIG_PAGES; i++)
		assert_memory_equal(mock_at(rig->m, (uint64_t)i * UIOMMU_PAGE_SIZE),
				    &rig->data[i * UIOMMU_PAGE_SIZE], UIOMMU_PAGE_SIZE);
}

void rig_execute(struct rig *rig, const struct uiommu_copy_desc *desc, uint64_t bytes)
{
	if (desc->op == UIOMMU_COPY_OP_COPY)
		memcpy(&rig->data[desc->dst], &rig->data[desc->src], bytes);
	if (desc->op == UIOMMU_COPY_OP_FILL)
		for (uint64_t i = 0; i < bytes; i++)
			rig->data[desc->dst + i] = (unsigned char)(desc->pattern >> i % 8 * 8);
}

uint32_t rig_crc32c(const unsigned char *p, size_t len)
{
	uint32_t crc = UINT32_MAX;

	for (; len; len--, p++)
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ ((crc ^ *p >> bit) & 1 ? UINT32_C(0x82f63b78) : 0);
	return ~crc;
}

struct uiommu_copy_desc rig_random_desc(struct rig *rig, uint64_t max_len)
{
	struct uiommu_copy_desc d = {
		.op = UIOMMU_COPY_OP_COPY + mock_random(&rig->rng) % 3,
		.pattern = mock_random(&rig->rng),
		.cookie = mock_random(&rig->rng),
	};

	d.len = mock_random(&rig->rng) % (max_len + 1);
	if (mock_random(&rig->rng) % 4 == 0)
		d.len %= 64;
	do {
		d.src = mock_random(&rig->rng) % (RIG_BYTES - d.len);
		d.dst = mock_random(&rig->rng) % (RIG_BYTES - d.len);
		if (mock_random(&rig->rng) % 4 == 0) {
			d.src &= ~UINT64_C(0xfff);
			d.dst &= ~UINT64_C(0xfff);
		}
	} while (d.src < d.dst + d.len && d.dst < d.src + d.len && d.len);
	return d;
}
