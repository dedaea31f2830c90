/* SPDX-License-Identifier: MIT */
/*
 * The table of regions and the accesses through it.
 *
 * Invariants:
 * 1. A published table does not change; regions in it are sorted and disjoint.
 * 2. A table is freed after it was replaced and every agent batch and RCU section
 *    that may have loaded it has ended.
 */
#include "base/mem.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <uiommu/ctx.h>

#include "base/alloc.h"
#include "base/lock.h"
#include "base/mem_copy.h"
#include "base/quiesce.h"
#include "base/rcu.h"

struct region {
	uiommu_pa_t base;
	uint64_t size;
	char *host;				/* NULL: accessor */
	const struct uiommu_mem_ops *ops;
	void *opaque;
};

struct table {
	size_t n;
	struct region region[];
};

struct mem {
	struct table *_Atomic table;
	struct alloc *alloc;
	struct quiesce *quiesce;
	struct lock lock;			/* who replaces the table */
};

static struct table *table_alloc(struct mem *mem, size_t n)
{
	struct table *t = alloc_zeroed(mem->alloc, 1, sizeof(*t) + n * sizeof(t->region[0]));

	if (t)
		t->n = n;
	return t;
}

int mem_create(struct alloc *a, struct quiesce *q, struct mem **mem)
{
	struct mem *m = alloc_struct(a, struct mem);
	struct table *t;

	if (!m)
		return -ENOMEM;
	m->alloc = a;
	m->quiesce = q;
	lock_init(&m->lock);
	t = table_alloc(m, 0);
	if (!t) {
		alloc_free(a, m);
		return -ENOMEM;
	}
	atomic_init(&m->table, t);
	*mem = m;
	return 0;
}

void mem_destroy(struct mem *mem)
{
	if (!mem)
		return;
	alloc_free(mem->alloc, atomic_load_explicit(&mem->table, memory_order_relaxed));
	alloc_free(mem->alloc, mem);
}

/* Number of regions that begin at or below pa: the candidate is the one before. */
static size_t table_find(const struct table *t, uiommu_pa_t pa)
{
	const struct region *r = t->region;
	size_t n = t->n;

	/* Halving without branches: which half is next is unpredictable, the number of turns is not. */
	while (n > 1) {
		size_t half = n / 2;

		r += r[half].base <= pa ? half : 0;
		n -= half;
	}
	return (size_t)(r - t->region) + (n && r->base <= pa);
}

/* The region that covers the whole range, and the offset in it. */
static inline const struct region *find(struct mem *mem, uiommu_pa_t pa, size_t len, uint64_t *off)
{
	const struct table *t = rcu_read(&mem->table);
	size_t i = table_find(t, pa);
	const struct region *r;

	if (!i)
		return NULL;
	r = &t->region[i - 1];
	*off = pa - r->base;
	if (*off >= r->size || len > r->size - *off)
		return NULL;
	return r;
}

/* Publishes new in place of old and frees old. Called with the lock; drops it before it waits. */
static void table_replace(struct mem *mem, struct table *old, struct table *new)
{
	rcu_publish(&mem->table, new);
	lock_drop(&mem->lock);
	quiesce_drain(mem->quiesce);
	rcu_wait();
	alloc_free(mem->alloc, old);
}

static int add(struct mem *mem, const struct region *region)
{
	uint64_t last = region->base + (region->size - 1);
	struct table *old, *new;
	size_t i;
	int err;

	if (!region->size || (region->base | region->size) % UIOMMU_PAGE_SIZE || last < region->base)
		return -EINVAL;
	lock_take(&mem->lock);
	old = atomic_load_explicit(&mem->table, memory_order_relaxed);
	/* Disjoint regions are ordered by their ends too: only the last that begins before matters. */
	i = table_find(old, last);
	err = -EEXIST;
	if (i && old->region[i - 1].base + (old->region[i - 1].size - 1) >= region->base)
		goto out_unlock;
	err = -ENOMEM;
	new = table_alloc(mem, old->n + 1);
	if (!new)
		goto out_unlock;
	memcpy(new->region, old->region, i * sizeof(old->region[0]));
	new->region[i] = *region;
	memcpy(new->region + i + 1, old->region + i, (old->n - i) * sizeof(old->region[0]));
	table_replace(mem, old, new);
	return 0;

out_unlock:
	lock_drop(&mem->lock);
	return err;
}

int mem_add_pointer(struct mem *mem, uiommu_pa_t base, uint64_t size, void *host)
{
	struct region region = { .base = base, .size = size, .host = host };

	/* Alignment on the bus must be alignment in the process: 16-byte accesses depend on it. */
	if (!host || (uintptr_t)host % sizeof(struct u128))
		return -EINVAL;
	return add(mem, &region);
}

int mem_add_accessor(struct mem *mem, uiommu_pa_t base, uint64_t size, const struct uiommu_mem_ops *ops,
		     void *opaque)
{
	struct region region = { .base = base, .size = size, .ops = ops, .opaque = opaque };

	if (!ops || !ops->read || !ops->write)
		return -EINVAL;
	return add(mem, &region);
}

int mem_remove(struct mem *mem, uiommu_pa_t base)
{
	struct table *old, *new;
	size_t i;
	int err;

	lock_take(&mem->lock);
	old = atomic_load_explicit(&mem->table, memory_order_relaxed);
	i = table_find(old, base);
	err = -ENOENT;
	if (!i || old->region[i - 1].base != base)
		goto out_unlock;
	err = -ENOMEM;
	new = table_alloc(mem, old->n - 1);
	if (!new)
		goto out_unlock;
	memcpy(new->region, old->region, (i - 1) * sizeof(old->region[0]));
	memcpy(new->region + i - 1, old->region + i, (old->n - i) * sizeof(old->region[0]));
	table_replace(mem, old, new);
	return 0;

out_unlock:
	lock_drop(&mem->lock);
	return err;
}

/* An accessor's word on why it failed is for its owner; on the bus it is one kind of error. */
static int accessor_read(const struct region *r, uint64_t off, void *buf, size_t len)
{
	return r->ops->read(r->opaque, off, buf, len) ? -EIO : 0;
}

static int accessor_write(const struct region *r, uint64_t off, const void *buf, size_t len)
{
	return r->ops->write(r->opaque, off, buf, len) ? -EIO : 0;
}

int mem_read(struct mem *mem, uiommu_pa_t pa, void *buf, size_t len)
{
	const struct region *r;
	uint64_t off;

	if (!len)
		return 0;
	r = find(mem, pa, len, &off);
	if (!r)
		return -EIO;
	if (!r->host)
		return accessor_read(r, off, buf, len);
	mem_copy_in(buf, r->host + off, len);
	return 0;
}

int mem_write(struct mem *mem, uiommu_pa_t pa, const void *buf, size_t len)
{
	const struct region *r;
	uint64_t off, word;

	if (!len)
		return 0;
	r = find(mem, pa, len, &off);
	if (!r)
		return -EIO;
	if (!r->host)
		return accessor_write(r, off, buf, len);
	if (len == sizeof(word) && (uintptr_t)(r->host + off) % sizeof(word) == 0) {
		memcpy(&word, buf, sizeof(word));
		__atomic_store_n((mem_word *)(void *)(r->host + off), word, __ATOMIC_RELEASE);
		return 0;
	}
	mem_copy_out(r->host + off, buf, len);
	return 0;
}

int mem_load64(struct mem *mem, uiommu_pa_t pa, uint64_t *val)
{
	const struct region *r;
	uint64_t off, word;
	int err;

	if (pa % sizeof(word))
		return -EINVAL;
	r = find(mem, pa, sizeof(word), &off);
	if (!r)
		return -EIO;
	if (r->host) {
		word = __atomic_load_n((const mem_word *)(const void *)(r->host + off), __ATOMIC_ACQUIRE);
	} else {
		err = accessor_read(r, off, &word, sizeof(word));
		if (err)
			return err;
	}
	*val = le64toh(word);
	return 0;
}

int mem_load128(struct mem *mem, uiommu_pa_t pa, struct u128 *val)
{
	const struct region *r;
	struct u128 v;
	uint64_t off;
	int err;

	if (pa % sizeof(v))
		return -EINVAL;
	r = find(mem, pa, sizeof(v), &off);
	if (!r)
		return -EIO;
	if (r->host) {
		v = a128_load((const struct u128 *)(const void *)(r->host + off));
	} else {
		err = accessor_read(r, off, &v, sizeof(v));
		if (err)
			return err;
	}
	*val = (struct u128) { .lo = le64toh(v.lo), .hi = le64toh(v.hi) };
	return 0;
}

int mem_store32(struct mem *mem, uiommu_pa_t pa, uint32_t val)
{
	typedef uint32_t __attribute__((may_alias)) mem_half;
	const struct region *r;
	uint64_t off;

	if (pa % sizeof(val))
		return -EINVAL;
	r = find(mem, pa, sizeof(val), &off);
	if (!r)
		return -EIO;
	val = htole32(val);
	if (!r->host)
		return accessor_write(r, off, &val, sizeof(val));
	__atomic_store_n((mem_half *)(void *)(r->host + off), val, __ATOMIC_RELEASE);
	return 0;
}

int mem_store64(struct mem *mem, uiommu_pa_t pa, uint64_t val)
{
	const struct region *r;
	uint64_t off;

	if (pa % sizeof(val))
		return -EINVAL;
	r = find(mem, pa, sizeof(val), &off);
	if (!r)
		return -EIO;
	val = htole64(val);
	if (!r->host)
		return accessor_write(r, off, &val, sizeof(val));
	__atomic_store_n((mem_word *)(void *)(r->host + off), val, __ATOMIC_RELEASE);
	return 0;
}

int mem_store128(struct mem *mem, uiommu_pa_t pa, struct u128 val)
{
	const struct region *r;
	uint64_t off;

	if (pa % sizeof(val))
		return -EINVAL;
	r = find(mem, pa, sizeof(val), &off);
	if (!r)
		return -EIO;
	val = (struct u128) { .lo = htole64(val.lo), .hi = htole64(val.hi) };
	if (!r->host)
		return accessor_write(r, off, &val, sizeof(val));
	a128_store((struct u128 *)(void *)(r->host + off), val);
	return 0;
}

int mem_cas64(struct mem *mem, uiommu_pa_t pa, uint64_t *val, uint64_t desired)
{
	const struct region *r;
	uint64_t off, old;

	if (pa % sizeof(old))
		return -EINVAL;
	r = find(mem, pa, sizeof(old), &off);
	if (!r)
		return -EIO;
	if (!r->host)
		return -EOPNOTSUPP;
	old = htole64(*val);
	if (__atomic_compare_exchange_n((mem_word *)(void *)(r->host + off), &old, htole64(desired), false,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return 0;
	*val = le64toh(old);
	return -EAGAIN;
}
