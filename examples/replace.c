/* SPDX-License-Identifier: MIT */
/*
 * Gives a device another domain while it does DMA, and demands that no access is
 * blocked. The device is a thread that reads one IOVA; domain A shows it a page of
 * 'A', domain B a page of 'B'.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <uiommu/vtd.h>

#define IOVA 0x100000
#define PA 0x40000000

static char memory[2][UIOMMU_PAGE_SIZE] __attribute__((aligned(4096)));
static struct uiommu_port *port;
static struct uiommu_agent *agent;
static atomic_bool stop;
static atomic_ulong seen_a, seen_b, other;

static void *device(void *arg)
{
	char c = 0;

	while (!atomic_load(&stop)) {
		uiommu_agent_begin(agent);
		int err = uiommu_dma_read(port, agent, UIOMMU_NO_PASID, IOVA, &c, 1, NULL);
		uiommu_agent_end(agent);
		atomic_fetch_add(err ? &other : c == 'A' ? &seen_a : c == 'B' ? &seen_b : &other, 1);
	}
	return arg;
}

#define CHECK(call) \
	do { \
		int e_ = (call); \
		if (e_) { \
			fprintf(stderr, "%s: %s%s%s\n", #call, strerror(-e_), \
				report.reason[0] ? ": " : "", report.reason); \
			return 1; \
		} \
	} while (0)

int main(void)
{
	struct uiommu_ctx *ctx;
	struct uiommu_hw *hw;
	struct uiommu_iommu *iommu;
	struct uiommu_group *group;
	struct uiommu_device *dev;
	struct uiommu_domain *domain[2];
	struct uiommu_domain_opts paging = { .size = sizeof(paging), .type = UIOMMU_DOMAIN_PAGING };
	struct uiommu_replace_opts demand = { .size = sizeof(demand), .worst_gap = UIOMMU_GAP_NONE };
	struct uiommu_report report = { .reason = "" };
	pthread_t thread;
	int i;

	memset(memory[0], 'A', UIOMMU_PAGE_SIZE);
	memset(memory[1], 'B', UIOMMU_PAGE_SIZE);
	CHECK(uiommu_ctx_create(NULL, &ctx));
	CHECK(uiommu_mem_add_pointer(ctx, PA, sizeof(memory), memory));
	CHECK(uiommu_vtd_model_create(ctx, NULL, &hw));
	CHECK(uiommu_vtd_create(ctx, hw, NULL, &iommu));
	CHECK(uiommu_group_create(iommu, &group));
	CHECK(uiommu_device_add(group, 0x18, &dev));	/* 00:03.0 */
	for (i = 0; i < 2; i++) {
		CHECK(uiommu_domain_alloc(iommu, &paging, &domain[i]));
		CHECK(uiommu_map(domain[i], IOVA, PA + (unsigned)i * UIOMMU_PAGE_SIZE, UIOMMU_PAGE_SIZE,
				 UIOMMU_READ));
	}
	CHECK(uiommu_attach_group(group, domain[0], NULL));
	CHECK(uiommu_port_create(hw, 0x18, &port));
	CHECK(uiommu_agent_create(ctx, &agent));
	CHECK(pthread_create(&thread, NULL, device, NULL));
	for (i = 1; i <= 10000; i++)
		CHECK(uiommu_group_replace_domain(group, domain[i & 1], &demand, &report));
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	printf("10000 replacements (%s): the device read A %lu times, B %lu times, anything else %lu times\n",
	       uiommu_strategy_name(report.strategy), seen_a, seen_b, other);
	uiommu_agent_destroy(agent);
	uiommu_port_destroy(port);
	uiommu_block_group(group);
	uiommu_device_remove(dev);
	uiommu_group_destroy(group);
	for (i = 0; i < 2; i++)
		CHECK(uiommu_domain_free(domain[i]));
	uiommu_iommu_destroy(iommu);
	uiommu_hw_destroy(hw);
	uiommu_ctx_destroy(ctx);
	return other ? 1 : 0;
}
