/* SPDX-License-Identifier: MIT */
/*
 * A driver for the copy engine: owns its rings, submits descriptors, collects
 * completions, and submits again what the IOMMU blocked. One thread (or fiber) at
 * a time uses a client, and nobody else touches its engine's registers.
 *
 * Completions are collected in the order of submission. A slot is used again when
 * its completion was collected and HEAD has counted it: the record is visible a
 * little before HEAD moves.
 */
#ifndef PCI_COPY_CLIENT_H
#define PCI_COPY_CLIENT_H

#include <uiommu/copy.h>

struct alloc;
struct copy_client;

#define COPY_CLIENT_FOR_EVER UINT32_MAX

struct copy_client_opts {
	struct alloc *alloc;
	struct uiommu_copy *copy;	/* not running; outlives the client */
	void *mem;			/* both rings, copy_client_bytes(); 64-byte aligned, ... */
	uiommu_iova_t iova;		/* ... where the engine sees it; 64-byte aligned */
	unsigned int size_lg2;		/* of the entries, 1 to 16 */
	uint32_t pasid;			/* or UIOMMU_NO_PASID */
	bool retry;			/* the engine makes blocked accesses again (CTRL.RETRY) */
	uint32_t resubmit;		/* how often a descriptor that was blocked is submitted again */
};

struct copy_client_stats {
	uint64_t completed;		/* collected, without those submitted again */
	uint64_t resubmitted;
	uint64_t failed;		/* collected with another status than OK */
	uint64_t longest_ns;		/* longest time without a completion while there was work */
};

/* Bytes of both rings. */
size_t copy_client_bytes(unsigned int size_lg2);
/* Sets the engine up and starts it. 0, -EINVAL (the engine refuses its registers), -ENOMEM. */
int copy_client_create(const struct copy_client_opts *opts, struct copy_client **client);
/* Drops all work, waits for its last access, frees the client. NULL is ignored. */
void copy_client_destroy(struct copy_client *client);

/* Puts a descriptor into the ring; copy_client_kick() shows it to the engine. 0, -EAGAIN (full). */
int copy_client_submit(struct copy_client *client, const struct uiommu_copy_desc *desc);
void copy_client_kick(struct copy_client *client);
/*
 * Collects the next completion. 1: *done is set. 0: none yet (perhaps something was
 * submitted again). -EIO: the engine stopped by an error on a ring, and everything
 * that was completed before has been collected.
 */
int copy_client_poll(struct copy_client *client, struct uiommu_copy_done *done);
/* Descriptors submitted and not collected. */
uint32_t copy_client_pending(const struct copy_client *client);
struct copy_client_stats copy_client_stats(const struct copy_client *client);

/*
 * Submits one descriptor to an idle client and waits. 0: OK. -EFAULT: blocked.
 * -EIO: no memory there, or the engine stopped. -EINVAL: bad descriptor. *done is
 * set unless the engine stopped; it may be NULL.
 */
int copy_client_do(struct copy_client *client, const struct uiommu_copy_desc *desc,
		   struct uiommu_copy_done *done);

/* A file in pages: bytes of it, 4 KiB of it from each src[i] to dst[i], at most n. One job at a time. */
struct copy_pages {
	const uiommu_iova_t *src, *dst;	/* borrowed */
	size_t n;
	uint64_t bytes;
	size_t next, finished;		/* pages; zero at the start, both n at the end */
};

/*
 * One turn: submits what fits, collects what is there, does not wait. 1: all is
 * copied. 0: call again. -EFAULT, -EIO as copy_client_do(), for the first page that
 * failed; copy_client_destroy() ends the rest. -EINVAL: bytes are not what n pages hold.
 */
int copy_pages_turn(struct copy_client *client, struct copy_pages *job);
/* Turns until it is done. 0 or the error. */
int copy_pages_run(struct copy_client *client, struct copy_pages *job);

#endif
