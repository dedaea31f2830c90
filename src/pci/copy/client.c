/* SPDX-License-Identifier: MIT */
/*
 * A driver for the copy engine. Its rings are memory that the device writes, so
 * every word of them is accessed singly, and the copies that matter for submitting
 * again (shadow) are where no device reaches.
 */
#include "pci/copy/client.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/task.h"

struct shadow {
	struct uiommu_copy_desc desc;
	uint32_t tries; /* submitted again so often */
};

struct copy_client {
	struct copy_client_opts opts;
	uint32_t size;
	uint64_t *ring, *done; /* device memory */
	struct shadow *shadow;
	uint32_t tail;		/* next to submit */
	uint32_t kicked;	/* tail as the engine knows it */
	uint32_t next;		/* next to collect */
	uint32_t head;		/* HEAD when last read */
	uint64_t waiting_since; /* ticks: last completion, or first submission after idling */
	uint64_t longest_ticks;
	struct copy_client_stats stats;
};

#define DESC_WORDS (sizeof(struct uiommu_copy_desc) / 8)
#define DONE_WORDS (sizeof(struct uiommu_copy_done) / 8)
#define STATUS_WORD (offsetof(struct uiommu_copy_done, status) / 8)

size_t copy_client_bytes(unsigned int size_lg2)
{
	return (sizeof(struct uiommu_copy_desc) + sizeof(struct uiommu_copy_done)) << size_lg2;
}

static void wait_until_idle(struct uiommu_copy *copy)
{
	struct task_spin spin = { 0 };

	while (uiommu_copy_read(copy, UIOMMU_COPY_STATUS) & UIOMMU_COPY_STATUS_RUNNING)
		task_relax(&spin);
}

static int start_engine(struct copy_client *c)
{
	struct uiommu_copy *copy = c->opts.copy;
	uint64_t pasid = c->opts.pasid == UIOMMU_NO_PASID ? UIOMMU_COPY_PASID_NONE : c->opts.pasid;

	uiommu_copy_write(copy, UIOMMU_COPY_RING, c->opts.iova);
	uiommu_copy_write(copy, UIOMMU_COPY_DONE, c->opts.iova + c->size * sizeof(struct uiommu_copy_desc));
	uiommu_copy_write(copy, UIOMMU_COPY_SIZE, c->opts.size_lg2);
	uiommu_copy_write(copy, UIOMMU_COPY_PASID, pasid);
	uiommu_copy_write(copy, UIOMMU_COPY_CTRL,
			  UIOMMU_COPY_CTRL_ENABLE | (c->opts.retry ? UIOMMU_COPY_CTRL_RETRY : 0));
	if (!(uiommu_copy_read(copy, UIOMMU_COPY_STATUS) & UIOMMU_COPY_STATUS_ERROR))
		return 0;
	uiommu_copy_write(copy, UIOMMU_COPY_CTRL, 0);
	return -EINVAL;
}

int copy_client_create(const struct copy_client_opts *opts, struct copy_client **client)
{
	struct copy_client *c;
	int err;

	if (opts->size_lg2 < 1 || opts->size_lg2 > 16 ||
	    (uintptr_t)opts->mem % sizeof(struct uiommu_copy_desc))
		return -EINVAL;
	c = alloc_struct(opts->alloc, struct copy_client);
	if (!c)
		return -ENOMEM;
	c->opts = *opts;
	c->size = 1u << opts->size_lg2;
	c->ring = opts->mem;
	c->done = c->ring + c->size * DESC_WORDS;
	err = -ENOMEM;
	c->shadow = alloc_zeroed(opts->alloc, c->size, sizeof(*c->shadow));
	if (!c->shadow)
		goto free_client;
	err = start_engine(c);
	if (err)
		goto free_shadow;
	(void)clock_ns(0); /* its first call measures for a while: not when stats are asked for */
	*client = c;
	return 0;

free_shadow:
	alloc_free(opts->alloc, c->shadow);
free_client:
	alloc_free(opts->alloc, c);
	return err;
}

void copy_client_destroy(struct copy_client *c)
{
	struct alloc *alloc;

	if (!c)
		return;
	alloc = c->opts.alloc;
	uiommu_copy_write(c->opts.copy, UIOMMU_COPY_CTRL, 0);
	wait_until_idle(c->opts.copy);
	alloc_free(alloc, c->shadow);
	alloc_free(alloc, c);
}

uint32_t copy_client_pending(const struct copy_client *c)
{
	return c->tail - c->next;
}

struct copy_client_stats copy_client_stats(const struct copy_client *c)
{
	struct copy_client_stats stats = c->stats;

	stats.longest_ns = clock_ns(c->longest_ticks);
	return stats;
}

/* Whether slot tail is free: its former completion is collected, and counted by the engine. */
static bool have_room(struct copy_client *c)
{
	if (c->tail - c->next >= c->size)
		return false;
	if (c->tail - c->head >= c->size)
		c->head = (uint32_t)uiommu_copy_read(c->opts.copy, UIOMMU_COPY_HEAD);
	return c->tail - c->head < c->size;
}

static void put(struct copy_client *c, const struct uiommu_copy_desc *desc, uint32_t tries)
{
	uint32_t slot = c->tail & (c->size - 1);
	uint64_t words[DESC_WORDS];

	memcpy(words, desc, sizeof(words));
	for (size_t i = 0; i < DESC_WORDS; i++)
		__atomic_store_n(&c->ring[slot * DESC_WORDS + i], words[i], __ATOMIC_RELAXED);
	__atomic_store_n(&c->done[slot * DONE_WORDS + STATUS_WORD], 0, __ATOMIC_RELAXED);
	c->shadow[slot].desc = *desc;
	c->shadow[slot].tries = tries;
	c->tail++;
}

int copy_client_submit(struct copy_client *c, const struct uiommu_copy_desc *desc)
{
	if (!have_room(c))
		return -EAGAIN;
	if (c->tail == c->next)
		c->waiting_since = clock_ticks();
	put(c, desc, 0);
	return 0;
}

void copy_client_kick(struct copy_client *c)
{
	if (c->kicked == c->tail)
		return;
	c->kicked = c->tail;
	uiommu_copy_write(c->opts.copy, UIOMMU_COPY_TAIL, c->tail);
}

/* Acquire: what the device wrote before the status is seen by those who see the status. */
static bool load_done(struct copy_client *c, struct uiommu_copy_done *done)
{
	const uint64_t *at = &c->done[(c->next & (c->size - 1)) * DONE_WORDS];
	uint64_t words[DONE_WORDS];

	words[STATUS_WORD] = __atomic_load_n(&at[STATUS_WORD], __ATOMIC_ACQUIRE);
	if (!(uint32_t)words[STATUS_WORD])
		return false;
	for (size_t i = 0; i < DONE_WORDS; i++)
		if (i != STATUS_WORD)
			words[i] = __atomic_load_n(&at[i], __ATOMIC_RELAXED);
	memcpy(done, words, sizeof(words));
	return true;
}

static void note_progress(struct copy_client *c)
{
	uint64_t now = clock_ticks(), ticks = now - c->waiting_since;

	if (ticks > c->longest_ticks)
		c->longest_ticks = ticks;
	c->waiting_since = now;
}

/* 1: submitted again. 0: not wanted. -EAGAIN: wanted, but the slot is not counted yet. */
static int resubmit(struct copy_client *c, const struct uiommu_copy_done *done)
{
	struct shadow *shadow = &c->shadow[c->next & (c->size - 1)];
	struct shadow again = *shadow;
	bool room;

	if (done->status != UIOMMU_COPY_FAULT)
		return 0;
	if (again.tries >= c->opts.resubmit && c->opts.resubmit != COPY_CLIENT_FOR_EVER)
		return 0;
	c->next++;
	room = have_room(c);
	if (!room) {
		c->next--;
		return -EAGAIN;
	}
	put(c, &again.desc, again.tries + (again.tries < UINT32_MAX));
	c->stats.resubmitted++;
	copy_client_kick(c);
	return 1;
}

int copy_client_poll(struct copy_client *c, struct uiommu_copy_done *done)
{
	if (c->next == c->tail)
		return 0;
	if (!load_done(c, done)) {
		if (!(uiommu_copy_read(c->opts.copy, UIOMMU_COPY_STATUS) & UIOMMU_COPY_STATUS_ERROR))
			return 0;
		/* It may have been completed just before the engine stopped. */
		if (!load_done(c, done))
			return -EIO;
	}
	if (resubmit(c, done))
		return 0;
	note_progress(c);
	c->next++;
	c->stats.completed++;
	c->stats.failed += done->status != UIOMMU_COPY_OK;
	return 1;
}

static int status_error(uint32_t status)
{
	switch (status) {
	case UIOMMU_COPY_OK:
		return 0;
	case UIOMMU_COPY_FAULT:
		return -EFAULT;
	case UIOMMU_COPY_BAD_DESC:
		return -EINVAL;
	default:
		return -EIO;
	}
}

int copy_client_do(struct copy_client *c, const struct uiommu_copy_desc *desc, struct uiommu_copy_done *done)
{
	struct task_spin spin = { 0 };
	struct uiommu_copy_done local;
	int ret;

	assert(!copy_client_pending(c));
	/* Idle and collected, but HEAD may be a moment late. */
	while (copy_client_submit(c, desc))
		task_relax(&spin);
	copy_client_kick(c);
	while (!(ret = copy_client_poll(c, &local)))
		task_relax(&spin);
	if (ret < 0)
		return ret;
	if (done)
		*done = local;
	return status_error(local.status);
}

static void submit_pages(struct copy_client *c, struct copy_pages *job)
{
	while (job->next < job->n) {
		uint64_t left = job->bytes - (uint64_t)job->next * UIOMMU_PAGE_SIZE;
		struct uiommu_copy_desc desc = {
			.op = UIOMMU_COPY_OP_COPY,
			.src = job->src[job->next],
			.dst = job->dst[job->next],
			.len = left < UIOMMU_PAGE_SIZE ? left : UIOMMU_PAGE_SIZE,
			.cookie = job->next,
		};

		if (copy_client_submit(c, &desc))
			break;
		job->next++;
	}
	copy_client_kick(c);
}

int copy_pages_turn(struct copy_client *c, struct copy_pages *job)
{
	struct uiommu_copy_done done;
	int ret;

	if ((job->bytes + UIOMMU_PAGE_SIZE - 1) / UIOMMU_PAGE_SIZE != job->n)
		return -EINVAL;
	submit_pages(c, job);
	while ((ret = copy_client_poll(c, &done)) > 0) {
		ret = status_error(done.status);
		if (ret)
			return ret;
		job->finished++;
	}
	return ret ? ret : job->finished == job->n;
}

int copy_pages_run(struct copy_client *c, struct copy_pages *job)
{
	struct task_spin spin = { 0 };
	int ret;

	while (!(ret = copy_pages_turn(c, job)))
		task_relax(&spin);
	return ret < 0 ? ret : 0;
}
