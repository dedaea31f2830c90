/* SPDX-License-Identifier: MIT */
/*
 * One descriptor: fetch, validate, do, complete. Its memory is hostile: it is
 * copied once and only the copy is used. Every access goes through dma(), which
 * keeps batches short; every wait happens with the batch closed.
 */
#include "pci/copy/engine.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

/* One thread writes, so no read-modify-write is needed. */
static void count(_Atomic uint64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

static void batch_close(struct copy_thread *t)
{
	if (!t->in_batch)
		return;
	t->in_batch = 0;
	uiommu_agent_end(t->agent);
	task_pass(&t->pass);
}

static int dma(struct copy_thread *t, uint32_t pasid, enum uiommu_prot access, uiommu_iova_t iova, void *buf,
	       size_t len)
{
	int err;

	if (!t->in_batch)
		uiommu_agent_begin(t->agent);
	t->in_batch++;
	count(&t->accesses);
	if (access == UIOMMU_READ)
		err = uiommu_dma_read(t->copy->port, t->agent, pasid, iova, buf, len, NULL);
	else
		err = uiommu_dma_write(t->copy->port, t->agent, pasid, iova, buf, len, NULL);
	if (err == -EFAULT)
		count(&t->blocked);
	if (t->in_batch >= COPY_BATCH)
		batch_close(t);
	return err;
}

/*
 * Between two tries of a blocked access. What blocks it is changed by software, in
 * microseconds (a replacement) or never: after the first tries leave the CPU to it.
 */
static void pause_blocked(struct task_spin *spin, unsigned int tries)
{
#ifndef UIOMMU_STEERED
	if (tries > 256) {
		struct timespec ts = { .tv_nsec = 50000 };

		nanosleep(&ts, NULL);
		return;
	}
#endif
	(void)tries;
	task_relax(spin);
}

/* An access for the claim: 0, -EFAULT, -EIO, or -ECANCELED when the run ended. */
static int access_for_claim(struct copy_thread *t, enum uiommu_prot access, uiommu_iova_t iova, void *buf,
			    size_t len)
{
	struct task_spin spin = { 0 };

	for (unsigned int tries = 0;; tries += tries < UINT32_MAX) {
		int err;

		if (!copy_claim_valid(t))
			return -ECANCELED;
		err = dma(t, t->claim.pasid, access, iova, buf, len);
		if (err != -EFAULT)
			return err;
		if (!(atomic_load_explicit(&t->copy->ctrl, memory_order_relaxed) & UIOMMU_COPY_CTRL_RETRY))
			return err;
		batch_close(t);
		pause_blocked(&spin, tries);
	}
}

/* The part of [iova, iova + len) that one access may cover. */
static size_t chunk(uiommu_iova_t iova, uint64_t len)
{
	size_t room = UIOMMU_PAGE_SIZE - (iova & (UIOMMU_PAGE_SIZE - 1));

	return len < room ? (size_t)len : room;
}

/* done.bytes counts what was written; done.iova follows the accesses for the case that one fails. */
static int write_out(struct copy_thread *t, const struct uiommu_copy_desc *d, struct uiommu_copy_done *done,
		     unsigned char *buf, size_t len)
{
	while (len) {
		size_t n = chunk(d->dst + done->bytes, len);
		int err;

		done->iova = d->dst + done->bytes;
		err = access_for_claim(t, UIOMMU_WRITE, done->iova, buf, n);
		if (err)
			return err;
		done->bytes += n;
		buf += n;
		len -= n;
	}
	return 0;
}

static int do_copy(struct copy_thread *t, const struct uiommu_copy_desc *d, struct uiommu_copy_done *done)
{
	while (done->bytes < d->len) {
		size_t n = chunk(d->src + done->bytes, d->len - done->bytes);
		int err;

		done->iova = d->src + done->bytes;
		err = access_for_claim(t, UIOMMU_READ, done->iova, t->buf, n);
		if (!err)
			err = write_out(t, d, done, t->buf, n);
		if (err)
			return err;
	}
	return 0;
}

static int do_fill(struct copy_thread *t, const struct uiommu_copy_desc *d, struct uiommu_copy_done *done)
{
	for (size_t i = 0; i < sizeof(t->buf); i += sizeof(d->pattern))
		memcpy(t->buf + i, &d->pattern, sizeof(d->pattern));
	while (done->bytes < d->len) {
		size_t n = chunk(d->dst + done->bytes, d->len - done->bytes);
		/* buf has 8 bytes more than an access, so that it may start anywhere in the pattern. */
		int err = write_out(t, d, done, t->buf + done->bytes % sizeof(d->pattern), n);

		if (err)
			return err;
	}
	return 0;
}

static int do_crc(struct copy_thread *t, const struct uiommu_copy_desc *d, struct uiommu_copy_done *done)
{
	while (done->bytes < d->len) {
		size_t n = chunk(d->src + done->bytes, d->len - done->bytes);
		int err;

		done->iova = d->src + done->bytes;
		err = access_for_claim(t, UIOMMU_READ, done->iova, t->buf, n);
		if (err)
			return err;
		done->crc = crc32c_add(&t->copy->crc, done->crc, t->buf, n);
		done->bytes += n;
	}
	return 0;
}

static bool range_ok(uiommu_iova_t iova, uint64_t len)
{
	return !len || iova <= UINT64_MAX - (len - 1);
}

static bool desc_ok(const struct uiommu_copy_desc *d)
{
	if ((d->flags & ~(uint32_t)UIOMMU_COPY_DESC_MSI) || d->reserved[0] || d->reserved[1])
		return false;
	switch (d->op) {
	case UIOMMU_COPY_OP_NOP:
		return true;
	case UIOMMU_COPY_OP_COPY:
		return range_ok(d->src, d->len) && range_ok(d->dst, d->len);
	case UIOMMU_COPY_OP_FILL:
		return range_ok(d->dst, d->len);
	case UIOMMU_COPY_OP_CRC32C:
		return range_ok(d->src, d->len);
	default:
		return false;
	}
}

static int do_op(struct copy_thread *t, const struct uiommu_copy_desc *d, struct uiommu_copy_done *done)
{
	switch (d->op) {
	case UIOMMU_COPY_OP_COPY:
		return do_copy(t, d, done);
	case UIOMMU_COPY_OP_FILL:
		return do_fill(t, d, done);
	case UIOMMU_COPY_OP_CRC32C:
		return do_crc(t, d, done);
	default:
		return 0;
	}
}

/* Fills all of *done. False: the run ended meanwhile, nothing is to be completed. */
static bool do_desc(struct copy_thread *t, const struct uiommu_copy_desc *d, struct uiommu_copy_done *done)
{
	*done = (struct uiommu_copy_done){ .cookie = d->cookie, .status = UIOMMU_COPY_BAD_DESC };
	if (!desc_ok(d))
		return true;
	switch (do_op(t, d, done)) {
	case 0:
		done->status = UIOMMU_COPY_OK;
		done->iova = 0;
		return true;
	case -ECANCELED:
		return false;
	case -EFAULT:
		done->status = UIOMMU_COPY_FAULT;
		break;
	default:
		done->status = UIOMMU_COPY_BUS_ERROR;
		break;
	}
	done->crc = 0;
	return true;
}

/*
 * The record with status 0, then the word with the status: whoever sees the second
 * sees the first, and the data of the descriptor, since writes of a device do not
 * pass one another.
 */
static int complete(struct copy_thread *t, const struct uiommu_copy_done *done)
{
	struct uiommu_copy_done record = *done;
	const size_t at = offsetof(struct uiommu_copy_done, status);
	int err;

	record.status = 0;
	err = access_for_claim(t, UIOMMU_WRITE, t->claim.done, &record, sizeof(record));
	if (err)
		return err;
	record.status = done->status;
	return access_for_claim(t, UIOMMU_WRITE, t->claim.done + at, (unsigned char *)&record + at,
				sizeof(uint64_t));
}

/* After HEAD has counted the descriptor, and before the claim is given back: no MSI comes after a reset. */
static void finish(struct copy_thread *t, const struct uiommu_copy_desc *desc)
{
	uint64_t addr;
	uint32_t data;

	if (!copy_finish(t, &addr, &data) || !(desc->flags & UIOMMU_COPY_DESC_MSI))
		return;
	(void)dma(t, UIOMMU_NO_PASID, UIOMMU_WRITE, addr, &data, sizeof(data));
	batch_close(t);
}

void copy_work(struct copy_thread *t)
{
	struct uiommu_copy_desc desc;
	struct uiommu_copy_done done;
	bool completed = false;
	int err;

	assert(!t->in_batch);
	err = access_for_claim(t, UIOMMU_READ, t->claim.desc, &desc, sizeof(desc));
	if (!err && do_desc(t, &desc, &done)) {
		err = complete(t, &done);
		completed = !err;
	}
	batch_close(t);
	if (completed)
		finish(t, &desc);
	else if (err && err != -ECANCELED)
		copy_ring_error(t->copy, t->claim.run);
	copy_release(t);
}
