/* SPDX-License-Identifier: MIT */
/* See rig.h. */
#include "rig.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* By dwords where it can: the test's thread polls the status that the queue's thread writes. */
static void copy(unsigned char *to, const unsigned char *from, size_t len)
{
	if (((uintptr_t)to | (uintptr_t)from | len) % 4) {
		memcpy(to, from, len);
		return;
	}
	for (size_t i = 0; i < len; i += 4) {
		uint32_t v = __atomic_load_n((const uint32_t *)(const void *)(from + i), __ATOMIC_ACQUIRE);

		__atomic_store_n((uint32_t *)(void *)(to + i), v, __ATOMIC_RELEASE);
	}
}

static int accessor_read(void *opaque, uint64_t off, void *buf, size_t len)
{
	struct rig *r = opaque;

	if (r->accessor_fails)
		return -EIO;
	copy(buf, r->host + off, len);
	return 0;
}

static int accessor_write(void *opaque, uint64_t off, const void *buf, size_t len)
{
	struct rig *r = opaque;

	if (r->accessor_fails)
		return -EIO;
	copy(r->host + off, buf, len);
	return 0;
}

static const struct uiommu_mem_ops accessor_ops = { accessor_read, accessor_write };

static void on_event(void *opaque, const struct uiommu_event *event)
{
	struct rig *r = opaque;

	if (event->kind == UIOMMU_EVENT_DRIVER_MISUSE)
		__atomic_fetch_add(&r->misuses, 1, __ATOMIC_RELAXED);
}

static void on_irq(void *opaque, uint64_t address, uint32_t data)
{
	struct rig *r = opaque;

	r->irqs++;
	r->irq_address = address;
	r->irq_data = data;
}

void rig_start(struct rig *r, const struct uiommu_vtd_model_opts *opts, bool accessor)
{
	struct uiommu_ctx_opts ctx_opts = {
		.size = sizeof(ctx_opts),
		.event = on_event,
		.opaque = r,
		.pool_bytes = 1 << 20,
	};

	memset(r, 0, sizeof(*r));
	r->accessor = accessor;
	/* Touched pages only cost anything: steered tests make a rig per seed. */
	r->host = mmap(NULL, RIG_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(r->host, MAP_FAILED);
	assert_int_equal(uiommu_ctx_create(&ctx_opts, &r->ctx), 0);
	if (accessor)
		assert_int_equal(uiommu_mem_add_accessor(r->ctx, RIG_BASE, RIG_SIZE, &accessor_ops, r), 0);
	else
		assert_int_equal(uiommu_mem_add_pointer(r->ctx, RIG_BASE, RIG_SIZE, r->host), 0);
	assert_int_equal(uiommu_vtd_model_create(r->ctx, opts, &r->hw), 0);
	r->hw->unit_irq = on_irq;
	r->hw->unit_irq_opaque = r;
	assert_int_equal(uiommu_agent_create(r->ctx, &r->agent), 0);
	rig_reset_pages(r);
}

void rig_stop(struct rig *r)
{
	uiommu_agent_destroy(r->agent);
	uiommu_hw_destroy(r->hw);
	uiommu_ctx_destroy(r->ctx);
	munmap(r->host, RIG_SIZE);
}

uint64_t rig_pages(struct rig *r, unsigned int n)
{
	uint64_t pa = r->next;

	r->next += 4096 * (uint64_t)n;
	assert_true(r->next <= RIG_BASE + RIG_SIZE);
	memset(r->host + (pa - RIG_BASE), 0, 4096 * (size_t)n);
	return pa;
}

uint64_t rig_page(struct rig *r)
{
	return rig_pages(r, 1);
}

void rig_reset_pages(struct rig *r)
{
	r->next = RIG_TABLES;
}

uint64_t *rig_word(struct rig *r, uint64_t pa)
{
	assert_true(pa >= RIG_BASE && pa + 8 <= RIG_BASE + RIG_SIZE && pa % 8 == 0);
	return (uint64_t *)(void *)(r->host + (pa - RIG_BASE));
}

/* As another processor would: the model may be reading. */
void rig_put(struct rig *r, uint64_t pa, uint64_t val)
{
	__atomic_store_n(rig_word(r, pa), val, __ATOMIC_RELEASE);
}

static uint32_t gsts(struct rig *r)
{
	return r->hw->ops->read32(r->hw, 0x1C);
}

void rig_queue_on(struct rig *r, bool wide)
{
	const struct hw_ops *ops = r->hw->ops;

	r->wide = wide;
	r->tail = 0;
	ops->write64(r->hw, 0x88, 0);
	ops->write64(r->hw, 0x90, RIG_QUEUE | (wide ? 1u << 11 : 0));
	ops->write32(r->hw, 0x18, (gsts(r) & 0x96FFFFFFu) | 1u << 26);
	assert_true(gsts(r) & 1u << 26);
}

void rig_root(struct rig *r, uint64_t rtaddr)
{
	r->hw->ops->write64(r->hw, 0x20, rtaddr);
	r->hw->ops->write32(r->hw, 0x18, (gsts(r) & 0x96FFFFFFu) | 1u << 30);
	assert_true(gsts(r) & 1u << 30);
}

void rig_te(struct rig *r, bool on)
{
	uint32_t cmd = gsts(r) & 0x96FFFFFFu;

	r->hw->ops->write32(r->hw, 0x18, on ? cmd | 1u << 31 : cmd & ~(1u << 31));
	assert_int_equal(gsts(r) >> 31, on);
}

void rig_push(struct rig *r, uint64_t w0, uint64_t w1)
{
	uint64_t pa = RIG_QUEUE + r->tail;

	*rig_word(r, pa) = w0;
	*rig_word(r, pa + 8) = w1;
	if (r->wide) {
		*rig_word(r, pa + 16) = 0;
		*rig_word(r, pa + 24) = 0;
	}
	r->tail = (r->tail + (r->wide ? 32 : 16)) & 4095;
}

void rig_kick(struct rig *r)
{
	r->hw->ops->write64(r->hw, 0x88, r->tail);
}

bool rig_sync(struct rig *r)
{
	uint32_t *status = (uint32_t *)(void *)rig_word(r, RIG_STATUS);

	rig_push(r, 5 | 1u << 5 | 1u << 6 | (uint64_t)++r->seq << 32, RIG_STATUS);
	rig_kick(r);
	for (unsigned int i = 0; i < 100000000; i++) {
		if (__atomic_load_n(status, __ATOMIC_ACQUIRE) == r->seq)
			return true;
		if (r->hw->ops->read32(r->hw, 0x34) & 1u << 4)
			return false;
		r->hw->ops->relax(r->hw);
	}
	return false;
}

void rig_flush(struct rig *r)
{
	rig_push(r, 1 | 1u << 4, 0);
	if (r->wide)
		rig_push(r, 7 | 3u << 4, 0);
	rig_push(r, 2 | 1u << 4 | 3u << 6, 0);
	assert_true(rig_sync(r));
}

uint32_t rig_translate(struct rig *r, struct uiommu_port *port, uint32_t pasid, uint64_t iova, bool write,
		       uint64_t *pa)
{
	struct dma_req req = {
		.iova = iova,
		.len = 1,
		.pasid = pasid,
		.access = write ? UIOMMU_WRITE : UIOMMU_READ,
		.agent = r->agent,
	};
	struct dma_res res = { 0 };
	int err;

	uiommu_agent_begin(r->agent);
	/* Both ways must answer alike. */
	if (r->turn++ % 2)
		err = r->hw->ops->translate(port, &req, &res);
	else if (r->hw->ops->translate_list(port, &req, &iova, &res.pa, 1, &res.reason))
		err = 0;
	else
		err = -EFAULT;
	uiommu_agent_end(r->agent);
	if (err) {
		assert_int_equal(err, -EFAULT);
		assert_int_not_equal(res.reason, 0);
		return res.reason;
	}
	*pa = res.pa;
	return 0;
}

uint64_t rig_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}
