/* SPDX-License-Identifier: MIT */
/*
 * The copy engine's registers, its runs and its threads. A register access never
 * waits for DMA: what has to end first is counted (winding) and the next claim
 * waits for it instead. Invariants are in engine.h.
 */
#include "pci/copy/engine.h"

#include <assert.h>
#include <errno.h>

#include "base/bits.h"
#include "base/ctx.h"

_Static_assert(sizeof(struct uiommu_copy_desc) == 64, "descriptor");
_Static_assert(sizeof(struct uiommu_copy_done) == 32, "completion record");
_Static_assert(offsetof(struct uiommu_copy_done, status) == 16, "status and crc are one aligned word");
_Static_assert(offsetof(struct uiommu_copy_done, crc) == 20, "status and crc are one aligned word");
_Static_assert(offsetof(struct uiommu_copy_desc, cookie) == 40, "descriptor");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rings are little endian");

#define CTRL_BITS (UIOMMU_COPY_CTRL_ENABLE | UIOMMU_COPY_CTRL_MSI | UIOMMU_COPY_CTRL_RETRY)
#define PASID_BITS 20

static bool ring_ok(uiommu_iova_t base, uint64_t bytes, uint64_t align)
{
	return !(base & (align - 1)) && base <= UINT64_MAX - (bytes - 1);
}

/* Takes the registers over for a run. False: they cannot be used. */
static bool take_over(struct uiommu_copy *c)
{
	uint32_t size;

	assert(lock_held(&c->lock));
	if (c->size_lg2 < 1 || c->size_lg2 > COPY_SIZE_LG2_MAX)
		return false;
	size = 1u << c->size_lg2;
	if (!ring_ok(c->ring, size * sizeof(struct uiommu_copy_desc), sizeof(struct uiommu_copy_desc)) ||
	    !ring_ok(c->done, size * sizeof(struct uiommu_copy_done), sizeof(struct uiommu_copy_done)))
		return false;
	if (c->pasid != UIOMMU_COPY_PASID_NONE && c->pasid >> PASID_BITS)
		return false;
	c->now.ring = c->ring;
	c->now.done = c->done;
	c->now.size = size;
	c->now.pasid = c->pasid == UIOMMU_COPY_PASID_NONE ? UIOMMU_NO_PASID : (uint32_t)c->pasid;
	return true;
}

static void run_start(struct uiommu_copy *c)
{
	uint64_t run = atomic_load_explicit(&c->run, memory_order_relaxed);

	assert(lock_held(&c->lock) && !(run & 1));
	c->error = !take_over(c);
	c->head = c->claimed = c->tail = 0;
	if (c->error)
		return;
	for (size_t i = 0; i < (c->now.size + 63) / 64; i++)
		c->finished[i] = 0;
	atomic_store_explicit(&c->run, run + 1, memory_order_release);
}

/* Threads that hold claims see it at their next access and release them. */
static void run_end(struct uiommu_copy *c)
{
	uint64_t run = atomic_load_explicit(&c->run, memory_order_relaxed);

	assert(lock_held(&c->lock));
	if (!(run & 1))
		return;
	c->winding += c->active;
	c->active = 0;
	atomic_store_explicit(&c->run, run + 1, memory_order_release);
}

static void write_ctrl(struct uiommu_copy *c, uint64_t val)
{
	uint64_t old = atomic_load_explicit(&c->ctrl, memory_order_relaxed);

	assert(lock_held(&c->lock));
	atomic_store_explicit(&c->ctrl, val & CTRL_BITS, memory_order_relaxed);
	if (val & ~old & UIOMMU_COPY_CTRL_ENABLE) {
		run_start(c);
	} else if (~val & old & UIOMMU_COPY_CTRL_ENABLE) {
		run_end(c);
		c->error = false;
		c->head = c->claimed = c->tail = 0;
	}
}

static void write_tail(struct uiommu_copy *c, uint64_t val)
{
	uint32_t tail = (uint32_t)val;

	assert(lock_held(&c->lock));
	if (!(atomic_load_explicit(&c->run, memory_order_relaxed) & 1))
		return;
	/* Neither more than the ring holds, nor behind what was claimed: invariant 3. */
	if (tail - c->claimed > c->now.size - (c->claimed - c->head)) {
		run_end(c);
		c->error = true;
		return;
	}
	c->tail = tail;
}

void uiommu_copy_write(struct uiommu_copy *c, unsigned int reg, uint64_t val)
{
	lock_take(&c->lock);
	switch (reg) {
	case UIOMMU_COPY_RING:
		c->ring = val;
		break;
	case UIOMMU_COPY_DONE:
		c->done = val;
		break;
	case UIOMMU_COPY_SIZE:
		c->size_lg2 = val;
		break;
	case UIOMMU_COPY_TAIL:
		write_tail(c, val);
		break;
	case UIOMMU_COPY_MSI_ADDR:
		c->msi_addr = val & ~UINT64_C(3);
		break;
	case UIOMMU_COPY_MSI_DATA:
		c->msi_data = val & UINT32_MAX;
		break;
	case UIOMMU_COPY_CTRL:
		write_ctrl(c, val);
		break;
	case UIOMMU_COPY_PASID:
		c->pasid = val;
		break;
	default:
		break;
	}
	lock_drop(&c->lock);
	if (reg == UIOMMU_COPY_TAIL)
		bell_ring(&c->bell);
}

static uint64_t status(const struct uiommu_copy *c)
{
	uint64_t val = c->error ? UIOMMU_COPY_STATUS_ERROR : 0;

	if (c->winding || (atomic_load_explicit(&c->run, memory_order_relaxed) & 1))
		val |= UIOMMU_COPY_STATUS_RUNNING;
	return val;
}

static uint64_t sum_counts(const struct uiommu_copy *c, bool blocked)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < c->n_threads; i++) {
		const struct copy_thread *t = &c->threads[i];

		sum += atomic_load_explicit(blocked ? &t->blocked : &t->accesses, memory_order_relaxed);
	}
	return sum;
}

static uint64_t read_locked(struct uiommu_copy *c, unsigned int reg)
{
	switch (reg) {
	case UIOMMU_COPY_RING:
		return c->ring;
	case UIOMMU_COPY_DONE:
		return c->done;
	case UIOMMU_COPY_SIZE:
		return c->size_lg2;
	case UIOMMU_COPY_TAIL:
		return c->tail;
	case UIOMMU_COPY_HEAD:
		return c->head;
	case UIOMMU_COPY_MSI_ADDR:
		return c->msi_addr;
	case UIOMMU_COPY_MSI_DATA:
		return c->msi_data;
	case UIOMMU_COPY_CTRL:
		return atomic_load_explicit(&c->ctrl, memory_order_relaxed);
	case UIOMMU_COPY_STATUS:
		return status(c);
	case UIOMMU_COPY_PASID:
		return c->pasid;
	default:
		return 0;
	}
}

uint64_t uiommu_copy_read(struct uiommu_copy *c, unsigned int reg)
{
	uint64_t val;

	if (reg == UIOMMU_COPY_BLOCKED || reg == UIOMMU_COPY_ACCESSES)
		return sum_counts(c, reg == UIOMMU_COPY_BLOCKED);
	lock_take(&c->lock);
	val = read_locked(c, reg);
	lock_drop(&c->lock);
	return val;
}

struct uiommu_port *uiommu_copy_port(struct uiommu_copy *c)
{
	return c->port;
}

void copy_ring_error(struct uiommu_copy *c, uint64_t run)
{
	lock_take(&c->lock);
	if (atomic_load_explicit(&c->run, memory_order_relaxed) == run) {
		run_end(c);
		c->error = true;
	}
	lock_drop(&c->lock);
}

static bool claim_next(struct copy_thread *t)
{
	struct uiommu_copy *c = t->copy;
	uint64_t run;
	bool claimed = false;

	lock_take(&c->lock);
	run = atomic_load_explicit(&c->run, memory_order_relaxed);
	if ((run & 1) && !c->winding && c->claimed != c->tail) {
		uint32_t slot = c->claimed & (c->now.size - 1);

		t->claim.run = run;
		t->claim.index = c->claimed++;
		t->claim.pasid = c->now.pasid;
		t->claim.desc = c->now.ring + slot * sizeof(struct uiommu_copy_desc);
		t->claim.done = c->now.done + slot * sizeof(struct uiommu_copy_done);
		c->active++;
		claimed = true;
	}
	lock_drop(&c->lock);
	return claimed;
}

static void count_finished(struct uiommu_copy *c, uint32_t index)
{
	uint32_t mask = c->now.size - 1, slot = index & mask;

	assert(lock_held(&c->lock));
	c->finished[slot / 64] |= BIT64(slot % 64);
	for (slot = c->head & mask; c->head != c->claimed && (c->finished[slot / 64] & BIT64(slot % 64));
	     slot = c->head & mask) {
		c->finished[slot / 64] &= ~BIT64(slot % 64);
		c->head++;
	}
}

bool copy_finish(struct copy_thread *t, uint64_t *msi_addr, uint32_t *msi_data)
{
	struct uiommu_copy *c = t->copy;
	bool msi = false;

	assert(!t->in_batch);
	lock_take(&c->lock);
	if (copy_claim_valid(t)) {
		count_finished(c, t->claim.index);
		*msi_addr = c->msi_addr;
		*msi_data = (uint32_t)c->msi_data;
		msi = atomic_load_explicit(&c->ctrl, memory_order_relaxed) & UIOMMU_COPY_CTRL_MSI;
	}
	lock_drop(&c->lock);
	return msi;
}

void copy_release(struct copy_thread *t)
{
	struct uiommu_copy *c = t->copy;
	bool wound = false;

	assert(!t->in_batch);
	lock_take(&c->lock);
	if (copy_claim_valid(t))
		c->active--;
	else
		wound = --c->winding == 0;
	lock_drop(&c->lock);
	/* Descriptors of a run that was started meanwhile may wait for this. */
	if (wound)
		bell_ring(&c->bell);
}

static void thread_main(void *arg)
{
	struct copy_thread *t = arg;
	struct uiommu_copy *c = t->copy;

	for (;;) {
		uint32_t seen = bell_look(&c->bell);

		if (atomic_load_explicit(&c->quit, memory_order_acquire))
			break;
		if (claim_next(t))
			copy_work(t);
		else
			bell_wait(&c->bell, seen);
	}
}

/* Stops the first n threads, which must be all that run. */
static void stop_threads(struct uiommu_copy *c, unsigned int n)
{
	lock_take(&c->lock);
	run_end(c);
	lock_drop(&c->lock);
	atomic_store_explicit(&c->quit, true, memory_order_release);
	bell_ring(&c->bell);
	while (n)
		task_join(c->threads[--n].task);
}

static int start_threads(struct uiommu_copy *c)
{
	unsigned int n;
	int err = 0;

	for (n = 0; n < c->n_threads; n++) {
		err = task_spawn(c->tasks, "copy", thread_main, &c->threads[n], &c->threads[n].task);
		if (err)
			break;
	}
	if (err)
		stop_threads(c, n);
	return err;
}

static void destroy_agents(struct uiommu_copy *c, unsigned int n)
{
	while (n)
		uiommu_agent_destroy(c->threads[--n].agent);
}

static int create_agents(struct uiommu_copy *c)
{
	for (unsigned int n = 0; n < c->n_threads; n++) {
		int err = uiommu_agent_create(c->ctx, &c->threads[n].agent);

		if (err) {
			destroy_agents(c, n);
			return err;
		}
		c->threads[n].copy = c;
	}
	return 0;
}

static void init_state(struct uiommu_copy *c, struct uiommu_ctx *ctx, unsigned int threads)
{
	c->ctx = ctx;
	c->n_threads = threads;
	lock_init(&c->lock);
	bell_init(&c->bell);
	crc32c_init(&c->crc);
	atomic_init(&c->quit, false);
	atomic_init(&c->run, 0);
	atomic_init(&c->ctrl, 0);
	c->pasid = UIOMMU_COPY_PASID_NONE;
}

int uiommu_copy_create(struct uiommu_ctx *ctx, struct uiommu_hw *hw, uint16_t rid, unsigned int threads,
		       struct uiommu_copy **copy)
{
	struct uiommu_copy *c;
	int err = -ENOMEM;

	if (threads < 1 || threads > COPY_THREADS_MAX)
		return -EINVAL;
	c = alloc_struct(&ctx->alloc, struct uiommu_copy);
	if (!c)
		return -ENOMEM;
	init_state(c, ctx, threads);
	c->threads = alloc_zeroed(&ctx->alloc, threads, sizeof(*c->threads));
	if (!c->threads)
		goto free_copy;
	err = uiommu_port_create(hw, rid, &c->port);
	if (err)
		goto free_threads;
	err = create_agents(c);
	if (err)
		goto destroy_port;
	err = task_set_create(&ctx->alloc, 0, &c->tasks);
	if (err)
		goto free_agents;
	err = start_threads(c);
	if (err)
		goto destroy_tasks;
	*copy = c;
	return 0;

destroy_tasks:
	task_set_destroy(c->tasks);
free_agents:
	destroy_agents(c, threads);
destroy_port:
	uiommu_port_destroy(c->port);
free_threads:
	alloc_free(&ctx->alloc, c->threads);
free_copy:
	bell_fini(&c->bell);
	alloc_free(&ctx->alloc, c);
	return err;
}

void uiommu_copy_destroy(struct uiommu_copy *c)
{
	struct uiommu_ctx *ctx;

	if (!c)
		return;
	ctx = c->ctx;
	stop_threads(c, c->n_threads);
	task_set_destroy(c->tasks);
	destroy_agents(c, c->n_threads);
	uiommu_port_destroy(c->port);
	bell_fini(&c->bell);
	alloc_free(&ctx->alloc, c->threads);
	alloc_free(&ctx->alloc, c);
}
