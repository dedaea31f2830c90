/* SPDX-License-Identifier: MIT */
/* The simple IOMMU for tests of devices; see mock.h. */
#include "pci/mock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/choice.h"

/* Of mock_create() without mock_destroy(), for mock_report(). */
static bool alive;
static uint64_t alive_seed;

#define MEM_BYTES ((size_t)MOCK_MEM_PAGES * UIOMMU_PAGE_SIZE)

static struct mock *to_mock(struct uiommu_hw *hw)
{
	return (struct mock *)hw;
}

static void copy_words(unsigned char *to, const unsigned char *from, size_t len, bool out)
{
	/* The shared side decides: word by word where it can, so that a poller sees whole words. */
	while (len) {
		const void *shared = out ? to : from;

		if ((uintptr_t)shared % 8 == 0 && len >= 8) {
			uint64_t word;

			if (out) {
				memcpy(&word, from, 8);
				__atomic_store_n((uint64_t *)(void *)to, word, __ATOMIC_RELEASE);
			} else {
				word = __atomic_load_n((const uint64_t *)(const void *)from,
						       __ATOMIC_ACQUIRE);
				memcpy(to, &word, 8);
			}
			to += 8, from += 8, len -= 8;
		} else {
			if (out)
				__atomic_store_n(to, *from, __ATOMIC_RELEASE);
			else
				*to = __atomic_load_n(from, __ATOMIC_ACQUIRE);
			to++, from++, len--;
		}
	}
}

static int backing_read(void *opaque, uint64_t off, void *buf, size_t len)
{
	struct mock *m = opaque;

	copy_words(buf, m->backing + off, len, false);
	return 0;
}

static int backing_write(void *opaque, uint64_t off, const void *buf, size_t len)
{
	struct mock *m = opaque;

	copy_words(m->backing + off, buf, len, true);
	return 0;
}

static const struct uiommu_mem_ops backing_ops = { backing_read, backing_write };

static int port_create(struct uiommu_hw *hw, uint16_t rid, struct uiommu_port **port)
{
	struct uiommu_port *p = alloc_struct(&hw->ctx->alloc, struct uiommu_port);

	if (!p)
		return -ENOMEM;
	p->hw = hw;
	p->rid = rid;
	*port = p;
	return 0;
}

static void port_destroy(struct uiommu_port *port)
{
	alloc_free(&port->hw->ctx->alloc, port);
}

static int translate(struct uiommu_port *port, const struct dma_req *req, struct dma_res *res)
{
	struct mock *m = to_mock(port->hw);
	uint64_t off = req->iova % UIOMMU_PAGE_SIZE, pte = 0, number;
	struct task_spin spin = { 0 };
	bool msi = req->access == UIOMMU_WRITE && req->len == 4 && req->iova >> 20 == 0xfee;

	if (req->pasid != (msi ? UIOMMU_NO_PASID : atomic_load(&m->want_pasid)))
		atomic_fetch_add(&m->broken_rules, 1);
	*res = (struct dma_res){ .pa = req->iova, .interrupt = msi };
	if (msi)
		return 0;
	number = atomic_fetch_add(&m->accesses, 1) + 1;
	while (atomic_load(&m->hold))
		task_relax(&spin);
	choice_interleave(CHOICE_WALK);
	if (req->iova / UIOMMU_PAGE_SIZE < MOCK_PAGES)
		pte = atomic_load(&m->pte[atomic_load(&m->current)][req->iova / UIOMMU_PAGE_SIZE]);
	if (number >= atomic_load(&m->fault_first) && number <= atomic_load(&m->fault_last)) {
		atomic_store(&m->faulted_iova, req->iova);
		pte = 0;
	}
	res->pa = (pte & ~UINT64_C(0xfff)) + off;
	return pte & req->access ? 0 : -EFAULT;
}

static const struct hw_ops ops = {
	.port_create = port_create,
	.port_destroy = port_destroy,
	.translate = translate,
};

static void on_msi(void *opaque, uint64_t address, uint32_t data)
{
	struct mock *m = opaque;

	atomic_store(&m->last_msi_addr, address);
	atomic_store(&m->last_msi_data, data);
	atomic_fetch_add(&m->msis, 1);
}

struct mock *mock_create(uint64_t seed)
{
	struct mock *m = calloc(1, sizeof(*m));
	struct uiommu_ctx_opts opts = { .size = sizeof(opts), .pool_bytes = 16 << 20 };

	alive = true;
	alive_seed = seed;
	assert_non_null(m);
	assert_int_equal(uiommu_ctx_create(&opts, &m->ctx), 0);
	m->pointer = aligned_alloc(UIOMMU_PAGE_SIZE, MEM_BYTES);
	m->backing = aligned_alloc(UIOMMU_PAGE_SIZE, MEM_BYTES);
	assert_non_null(m->pointer);
	assert_non_null(m->backing);
	memset(m->pointer, 0, MEM_BYTES);
	memset(m->backing, 0, MEM_BYTES);
	assert_int_equal(uiommu_mem_add_pointer(m->ctx, MOCK_POINTER_PA, MEM_BYTES, m->pointer), 0);
	assert_int_equal(uiommu_mem_add_accessor(m->ctx, MOCK_ACCESSOR_PA, MEM_BYTES, &backing_ops, m), 0);
	m->hw.ops = &ops;
	m->hw.ctx = m->ctx;
	m->hw.msi = on_msi;
	m->hw.msi_opaque = m;
	m->want_pasid = UIOMMU_NO_PASID;
	assert_int_equal(task_set_create(&m->ctx->alloc, seed, &m->tasks), 0);
	return m;
}

void mock_destroy(struct mock *m)
{
	assert_int_equal(m->broken_rules, 0);
	task_set_destroy(m->tasks);
	uiommu_ctx_destroy(m->ctx);
	free(m->pointer);
	free(m->backing);
	free(m);
	alive = false;
}

int mock_report(void **state)
{
	(void)state;
	if (alive)
		print_error("failed with seed %llu\n", (unsigned long long)alive_seed);
	alive = false;
	return 0;
}

unsigned char *mock_host(struct mock *m, uiommu_pa_t pa)
{
	return pa >= MOCK_ACCESSOR_PA ? m->backing + (pa - MOCK_ACCESSOR_PA)
				      : m->pointer + (pa - MOCK_POINTER_PA);
}

void mock_fault(struct mock *m, uint64_t n, uint64_t count)
{
	uint64_t now = atomic_load(&m->accesses);

	atomic_store(&m->fault_last, 0);
	atomic_store(&m->fault_first, now + n);
	atomic_store(&m->fault_last, count ? now + n + count - 1 : 0);
}

void mock_map(struct mock *m, unsigned int domain, uiommu_iova_t iova, uiommu_pa_t pa, unsigned int prot)
{
	atomic_store(&m->pte[domain][iova / UIOMMU_PAGE_SIZE], pa | prot);
}

unsigned char *mock_at(struct mock *m, uiommu_iova_t iova)
{
	uint64_t pte = m->pte[m->current][iova / UIOMMU_PAGE_SIZE];

	assert_true(pte);
	return mock_host(m, (pte & ~UINT64_C(0xfff)) + iova % UIOMMU_PAGE_SIZE);
}

uint64_t mock_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}
