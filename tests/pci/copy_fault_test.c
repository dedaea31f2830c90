/* SPDX-License-Identifier: MIT */
/*
 * The copy engine when accesses are blocked, memory is missing and descriptors are
 * hostile. Runs in production and steered.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/choice.h"
#include "pci/rig.h"

/* Two pages of the rings' memory and pieces of data pages: every kind of access occurs. */
static const struct uiommu_copy_desc work[] = {
	{ .op = UIOMMU_COPY_OP_COPY, .src = 0x1f01, .dst = 0x8ff0, .len = 6000, .cookie = 0 },
	{ .op = UIOMMU_COPY_OP_FILL, .dst = 0xc123, .len = 5000, .pattern = 0x0102030405060708, .cookie = 1 },
	{ .op = UIOMMU_COPY_OP_CRC32C, .src = 0x2345, .len = 9001, .cookie = 2 },
	{ .op = UIOMMU_COPY_OP_NOP, .cookie = 3 },
};

#define WORK (sizeof(work) / sizeof(work[0]))

static bool in_rings(uiommu_iova_t iova)
{
	return iova >= RIG_RINGS && iova < RIG_RINGS + RIG_RING_PAGES * UIOMMU_PAGE_SIZE;
}

static int next_done(struct rig *rig, struct uiommu_copy_done *done)
{
	struct task_spin spin = { 0 };
	int ret;

	while (!(ret = copy_client_poll(rig->client, done)))
		task_relax(&spin);
	return ret;
}

static void submit_work(struct rig *rig)
{
	for (size_t i = 0; i < WORK; i++)
		assert_int_equal(copy_client_submit(rig->client, &work[i]), 0);
	copy_client_kick(rig->client);
}

static void expect_ok(struct rig *rig, const struct uiommu_copy_done *done)
{
	const struct uiommu_copy_desc *d = &work[done->cookie];

	assert_int_equal(done->status, UIOMMU_COPY_OK);
	rig_execute(rig, d, d->len);
	if (d->op == UIOMMU_COPY_OP_CRC32C)
		assert_int_equal(done->crc, rig_crc32c(&rig->data[d->src], d->len));
}

static void expect_fault(struct rig *rig, const struct uiommu_copy_done *done)
{
	const struct uiommu_copy_desc *d = &work[done->cookie];
	uiommu_iova_t iova = rig->m->faulted_iova;

	assert_int_equal(done->status, UIOMMU_COPY_FAULT);
	assert_int_equal(done->iova, iova);
	assert_int_equal(done->crc, 0);
	assert_true(iova == d->src + done->bytes || iova == d->dst + done->bytes);
	rig_execute(rig, d, done->bytes);
}

/* The n-th access is blocked, without retry: a fault of that descriptor, or the engine stops. */
static bool fault_at(uint64_t n, uiommu_pa_t mem, unsigned int *stopped)
{
	struct rig_opts opts = { .mem = mem, .seed = n };
	struct rig *rig = rig_create(&opts);
	struct uiommu_copy_done done;
	bool faulted;
	size_t i;

	rig_scramble(rig);
	mock_fault(rig->m, n, 1);
	submit_work(rig);
	for (i = 0; i < WORK; i++) {
		if (next_done(rig, &done) < 0)
			break;
		assert_int_equal(done.cookie, i);
		if (done.status == UIOMMU_COPY_OK)
			expect_ok(rig, &done);
		else
			expect_fault(rig, &done);
	}
	faulted = uiommu_copy_read(rig->copy, UIOMMU_COPY_BLOCKED);
	assert_int_equal(i < WORK, faulted && in_rings(rig->m->faulted_iova));
	if (i < WORK) {
		(*stopped)++;
		assert_int_equal(uiommu_copy_read(rig->copy, UIOMMU_COPY_HEAD), i);
		/* What the descriptor did is done, though its completion is lost. */
		if (work[i].op != UIOMMU_COPY_OP_NOP &&
		    rig->m->faulted_iova >= RIG_RINGS + 16 * sizeof(work[0]))
			rig_execute(rig, &work[i], work[i].len);
	}
	rig_check(rig);
	rig_destroy(rig);
	return faulted;
}

static void each_access_blocked(void **state)
{
	(void)state;
	for (int mem = 0; mem < 2; mem++) {
		unsigned int stopped = 0;
		uint64_t n = 1;

		while (fault_at(n, mem ? MOCK_ACCESSOR_PA : MOCK_POINTER_PA, &stopped))
			n++;
		/* One fetch and two writes of a completion for each descriptor. */
		assert_int_equal(stopped, WORK * 3);
		assert_true(n > WORK * 3 + 8);
	}
}

/* The same with retry, blocked once or for a while: all is done in the end, and counted. */
static void each_access_blocked_and_retried(void **state)
{
	bool faulted = true;

	(void)state;
	for (uint64_t n = 1; faulted; n++) {
		const uint64_t times = n % 3 ? 1 : 7;
		struct rig_opts opts = { .seed = n, .retry = true };
		struct rig *rig = rig_create(&opts);
		struct uiommu_copy_done done;

		rig_scramble(rig);
		mock_fault(rig->m, n, times);
		submit_work(rig);
		for (size_t i = 0; i < WORK; i++) {
			assert_int_equal(next_done(rig, &done), 1);
			expect_ok(rig, &done);
		}
		faulted = uiommu_copy_read(rig->copy, UIOMMU_COPY_BLOCKED);
		if (faulted)
			assert_int_equal(uiommu_copy_read(rig->copy, UIOMMU_COPY_BLOCKED), times);
		rig_check(rig);
		rig_destroy(rig);
	}
}

/* After an error on a ring, clearing and setting enable starts afresh. */
static void start_after_ring_error(void **state)
{
	struct rig_opts opts = { 0 };
	struct rig *rig = rig_create(&opts);
	struct copy_client_opts again = { .alloc = &rig->m->ctx->alloc,
					  .copy = rig->copy,
					  .mem = rig->rings,
					  .iova = RIG_RINGS,
					  .size_lg2 = 4,
					  .pasid = UIOMMU_NO_PASID };
	struct uiommu_copy_done done;
	struct task_spin spin = { 0 };

	(void)state;
	mock_fault(rig->m, 1, 1);
	assert_int_equal(copy_client_do(rig->client, &work[0], &done), -EIO);
	while (uiommu_copy_read(rig->copy, UIOMMU_COPY_STATUS) != UIOMMU_COPY_STATUS_ERROR)
		task_relax(&spin);
	/* It stays stopped, whatever is asked for, until enable was cleared. */
	uiommu_copy_write(rig->copy, UIOMMU_COPY_TAIL, 2);
	uiommu_copy_write(rig->copy, UIOMMU_COPY_CTRL, UIOMMU_COPY_CTRL_ENABLE | UIOMMU_COPY_CTRL_RETRY);
	assert_int_equal(uiommu_copy_read(rig->copy, UIOMMU_COPY_STATUS), UIOMMU_COPY_STATUS_ERROR);
	copy_client_destroy(rig->client);
	assert_int_equal(uiommu_copy_read(rig->copy, UIOMMU_COPY_STATUS), 0);
	assert_int_equal(copy_client_create(&again, &rig->client), 0);
	assert_int_equal(copy_client_do(rig->client, &work[2], &done), 0);
	rig_destroy(rig);
}

/* Blocked for ever: only the end of the run helps, and it does, also from destroy. */
static void retry_ends_with_the_run(void **state)
{
	(void)state;
	for (int how = 0; how < 4; how++) {
		struct rig_opts opts = { .retry = true, .threads = 2 };
		struct rig *rig = rig_create(&opts);
		struct uiommu_copy_desc d = { .op = UIOMMU_COPY_OP_CRC32C,
					      .src = RIG_HOLE,
					      .len = UINT64_C(1) << 40 };
		struct task_spin spin = { 0 };

		if (how & 1)
			mock_fault(rig->m, 1, UINT64_C(1) << 40);
		assert_int_equal(copy_client_submit(rig->client, &d), 0);
		copy_client_kick(rig->client);
		while (uiommu_copy_read(rig->copy, UIOMMU_COPY_BLOCKED) < 300)
			task_relax(&spin);
		assert_int_equal(uiommu_copy_read(rig->copy, UIOMMU_COPY_HEAD), 0);
		assert_int_equal(uiommu_copy_read(rig->copy, UIOMMU_COPY_STATUS), UIOMMU_COPY_STATUS_RUNNING);
		if (how & 2) {
			/* Switching retry off lets the access fail. */
			uiommu_copy_write(rig->copy, UIOMMU_COPY_CTRL, UIOMMU_COPY_CTRL_ENABLE);
			if (how & 1)
				while (!(uiommu_copy_read(rig->copy, UIOMMU_COPY_STATUS) &
					 UIOMMU_COPY_STATUS_ERROR))
					task_relax(&spin);
			else
				while (uiommu_copy_read(rig->copy, UIOMMU_COPY_HEAD) != 1)
					task_relax(&spin);
		}
		rig_destroy(rig);
	}
}

/* No memory behind a translation: of data a bus error, of a ring the end; RETRY or not. */
static void no_memory(void **state)
{
	(void)state;
	for (int retry = 0; retry < 2; retry++) {
		struct rig_opts opts = { .retry = retry };
		struct rig *rig = rig_create(&opts);
		struct uiommu_copy_desc d = { .op = UIOMMU_COPY_OP_FILL, .dst = 0x2ff8, .len = 32 };
		struct uiommu_copy_done done;
		struct task_spin spin = { 0 };

		mock_map(rig->m, 0, 0x3000, 0x12345000, UIOMMU_READ | UIOMMU_WRITE);
		assert_int_equal(copy_client_do(rig->client, &d, &done), -EIO);
		assert_int_equal(done.status, UIOMMU_COPY_BUS_ERROR);
		assert_int_equal(done.iova, 0x3000);
		assert_int_equal(done.bytes, 8);
		mock_map(rig->m, 0, RIG_RINGS, 0x12345000, UIOMMU_READ | UIOMMU_WRITE);
		assert_int_equal(copy_client_submit(rig->client, &d), 0);
		copy_client_kick(rig->client);
		while (uiommu_copy_read(rig->copy, UIOMMU_COPY_STATUS) != UIOMMU_COPY_STATUS_ERROR)
			task_relax(&spin);
		rig_destroy(rig);
	}
}

/* Says what the engine must find wrong with a descriptor, from the text of uiommu/copy.h. */
static bool is_bad(const struct uiommu_copy_desc *d)
{
	bool src = d->op == UIOMMU_COPY_OP_COPY || d->op == UIOMMU_COPY_OP_CRC32C;
	bool dst = d->op == UIOMMU_COPY_OP_COPY || d->op == UIOMMU_COPY_OP_FILL;
	unsigned __int128 end = (unsigned __int128)1 << 64;

	if (d->op > UIOMMU_COPY_OP_CRC32C || d->flags > 1 || d->reserved[0] || d->reserved[1])
		return true;
	return (src && d->len + (unsigned __int128)d->src > end) ||
	       (dst && d->len + (unsigned __int128)d->dst > end);
}

static uint64_t hostile_number(struct rig *rig)
{
	static const uint64_t edges[] = { 0,
					  1,
					  4095,
					  4096,
					  RIG_BYTES - 1,
					  RIG_BYTES,
					  UINT64_MAX,
					  UINT64_MAX - 4095,
					  UINT64_C(1) << 63,
					  UINT32_MAX,
					  RIG_RINGS };
	uint64_t r = mock_random(&rig->rng);

	switch (r >> 8 & 3) {
	case 0:
		return edges[(r >> 16) % (sizeof(edges) / sizeof(edges[0]))];
	case 1:
		return mock_random(&rig->rng);
	default:
		return mock_random(&rig->rng) % RIG_BYTES;
	}
}

static void hostile_descriptors(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 4; seed++) {
		struct rig_opts opts = { .seed = seed, .size_lg2 = 2 };
		struct rig *rig = rig_create(&opts);
		unsigned int bad = 0, ok = 0;

		/* The rings may be read but, by descriptors that point at them, not be written. */
		for (int i = 0; i < 1500; i++) {
			struct uiommu_copy_desc d = { 0 };
			struct uiommu_copy_done done;
			int ret;

			d.op = (uint32_t)(mock_random(&rig->rng) % 16 ? mock_random(&rig->rng) % 5
								      : hostile_number(rig));
			d.flags = (uint32_t)(mock_random(&rig->rng) % 8 ? i & 1 : hostile_number(rig));
			d.src = hostile_number(rig);
			d.dst = hostile_number(rig);
			if (d.dst >= RIG_RINGS && d.dst < RIG_RINGS + 4096)
				d.dst = 0;
			d.len = hostile_number(rig);
			d.pattern = hostile_number(rig);
			d.cookie = mock_random(&rig->rng);
			d.reserved[i & 1] = mock_random(&rig->rng) % 8 ? 0 : hostile_number(rig);
			ret = copy_client_do(rig->client, &d, &done);
			assert_int_equal(ret == -EINVAL, is_bad(&d));
			assert_int_equal(done.cookie, d.cookie);
			if (is_bad(&d))
				assert_int_equal(done.bytes, 0);
			bad += is_bad(&d);
			ok += !ret;
		}
		assert_true(bad > 100 && ok > 100);
		rig_destroy(rig);
	}
}

struct vandal {
	struct rig *rig;
	atomic_bool stop;
};

/* Scribbles over both rings while the engine works: nothing but statuses and errors may come of it. */
static void vandal_main(void *arg)
{
	struct vandal *v = arg;
	uint64_t rng = 99, *words = v->rig->rings;

	while (!atomic_load(&v->stop)) {
		size_t at = mock_random(&rng) % (copy_client_bytes(4) / 8);

		__atomic_store_n(&words[at], mock_random(&rng) % 3 ? 0 : mock_random(&rng) % RIG_BYTES,
				 __ATOMIC_RELAXED);
		choice_interleave(CHOICE_WAIT);
	}
}

static void rings_change_underfoot(void **state)
{
	struct rig_opts opts = { .threads = 3, .no_client = true };
	struct rig *rig = rig_create(&opts);
	struct vandal v = { .rig = rig };
	struct task *task;
	uint32_t tail = 0;

	(void)state;
	assert_int_equal(task_spawn(rig->m->tasks, "vandal", vandal_main, &v, &task), 0);
	uiommu_copy_write(rig->copy, UIOMMU_COPY_RING, RIG_RINGS);
	uiommu_copy_write(rig->copy, UIOMMU_COPY_DONE, RIG_RINGS + 16 * sizeof(struct uiommu_copy_desc));
	uiommu_copy_write(rig->copy, UIOMMU_COPY_SIZE, 4);
	uiommu_copy_write(rig->copy, UIOMMU_COPY_CTRL, UIOMMU_COPY_CTRL_ENABLE);
	for (int i = 0; i < 2000; i++) {
		uint32_t head = (uint32_t)uiommu_copy_read(rig->copy, UIOMMU_COPY_HEAD);

		if (tail - head < 16)
			uiommu_copy_write(rig->copy, UIOMMU_COPY_TAIL, ++tail);
		assert_int_equal(uiommu_copy_read(rig->copy, UIOMMU_COPY_STATUS), UIOMMU_COPY_STATUS_RUNNING);
		choice_interleave(CHOICE_WAIT);
	}
	atomic_store(&v.stop, true);
	task_join(task);
	rig_destroy(rig);
}

struct blocker {
	struct mock *m;
	atomic_bool stop;
	uint64_t rng;
};

/* Takes the domain away and gives it back, as a replacement through a blocking domain does. */
static void blocker_main(void *arg)
{
	struct blocker *b = arg;

	while (!atomic_load(&b->stop)) {
		atomic_store(&b->m->current, 1);
		for (uint64_t i = mock_random(&b->rng) % 4; i; i--)
			choice_interleave(CHOICE_CORE);
		atomic_store(&b->m->current, 0);
		for (uint64_t i = mock_random(&b->rng) % 32 + 8; i; i--) {
			struct task_spin spin = { 0 };

			task_relax(&spin);
		}
	}
}

/* Pages are copied while the domain comes and goes: by the engine's retry or by the driver's. */
static void copies_through_gaps(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 6; seed++) {
		bool retry = seed % 2;
		struct rig_opts opts = { .seed = seed,
					 .threads = 1 + seed % 3,
					 .size_lg2 = 3,
					 .retry = retry,
					 .resubmit = retry ? 0 : COPY_CLIENT_FOR_EVER };
		struct rig *rig = rig_create(&opts);
		uiommu_iova_t src[RIG_PAGES / 2], dst[RIG_PAGES / 2];
		struct copy_pages job = {
			.src = src, .dst = dst, .n = RIG_PAGES / 2, .bytes = RIG_PAGES / 2 * UIOMMU_PAGE_SIZE
		};
		struct blocker b = { .m = rig->m, .rng = seed };
		struct task *task;

		rig_scramble(rig);
		for (size_t i = 0; i < job.n; i++) {
			src[i] = i * UIOMMU_PAGE_SIZE;
			dst[i] = (job.n + i) * UIOMMU_PAGE_SIZE;
		}
		if (!retry) {
			/* The rings stay where they are; only the data is taken away. */
			for (unsigned int i = 0; i < RIG_RING_PAGES; i++)
				atomic_store(&rig->m->pte[1][RIG_RINGS / UIOMMU_PAGE_SIZE + i],
					     rig->m->pte[0][RIG_RINGS / UIOMMU_PAGE_SIZE + i]);
		}
		assert_int_equal(task_spawn(rig->m->tasks, "blocker", blocker_main, &b, &task), 0);
		assert_int_equal(copy_pages_run(rig->client, &job), 0);
		atomic_store(&b.stop, true);
		task_join(task);
		memcpy(&rig->data[RIG_BYTES / 2], rig->data, RIG_BYTES / 2);
		rig_check(rig);
		rig_destroy(rig);
	}
}

/*
 * A page is taken from the engine while it writes there: once a drain has ended, not
 * one more write may land, since the page's owner uses it for something else.
 */
static void drained_pages_are_left_alone(void **state)
{
	const struct uiommu_copy_desc fill = { .op = UIOMMU_COPY_OP_FILL,
					       .len = RIG_BYTES,
					       .pattern = UINT64_MAX };

	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct rig_opts opts = { .seed = seed, .threads = 2, .retry = true };
		struct rig *rig = rig_create(&opts);
		struct uiommu_copy_done done;
		struct task_spin spin = { 0 };
		uint64_t *page;

		for (int turn = 0; turn < 50; turn++) {
			_Atomic uint64_t *pte = &rig->m->pte[0][mock_random(&rig->rng) % RIG_PAGES];
			uint64_t kept = atomic_load(pte);

			while (copy_client_pending(rig->client) < 3)
				assert_int_equal(copy_client_submit(rig->client, &fill), 0);
			copy_client_kick(rig->client);
			for (uint64_t i = mock_random(&rig->rng) % 64; i; i--)
				task_relax(&spin);
			page = (void *)mock_host(rig->m, kept & ~UINT64_C(0xfff));
			atomic_store(pte, 0);
			quiesce_drain(&rig->m->ctx->quiesce);
			for (int i = 0; i < 512; i++)
				__atomic_store_n(&page[i], i, __ATOMIC_RELAXED);
			for (uint64_t i = mock_random(&rig->rng) % 64; i; i--)
				task_relax(&spin);
			for (int i = 0; i < 512; i++)
				assert_int_equal(__atomic_load_n(&page[i], __ATOMIC_RELAXED), i);
			atomic_store(pte, kept);
			while (copy_client_poll(rig->client, &done) > 0)
				assert_int_equal(done.status, UIOMMU_COPY_OK);
		}
		rig_destroy(rig);
	}
}

/* A limited number of tries, and the engine's own account of them. */
static void resubmission_is_limited(void **state)
{
	struct rig_opts opts = { .resubmit = 5, .size_lg2 = 1 };
	struct rig *rig = rig_create(&opts);
	struct uiommu_copy_desc d = { .op = UIOMMU_COPY_OP_CRC32C, .src = RIG_HOLE, .len = 1, .cookie = 9 };
	struct uiommu_copy_done done;
	struct copy_client_stats stats;
	uiommu_iova_t page = RIG_HOLE;
	struct copy_pages job = { .src = &page, .dst = &page, .n = 1, .bytes = 100 };

	(void)state;
	assert_int_equal(copy_client_do(rig->client, &d, &done), -EFAULT);
	assert_int_equal(done.cookie, 9);
	stats = copy_client_stats(rig->client);
	assert_int_equal(stats.resubmitted, 5);
	assert_int_equal(stats.failed, 1);
	assert_int_equal(uiommu_copy_read(rig->copy, UIOMMU_COPY_BLOCKED), 6);
	assert_int_equal(copy_pages_run(rig->client, &job), -EFAULT);
	job.n = 2;
	assert_int_equal(copy_pages_run(rig->client, &job), -EINVAL);
	rig_destroy(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		seeded_test(each_access_blocked),
		seeded_test(each_access_blocked_and_retried),
		seeded_test(start_after_ring_error),
		seeded_test(retry_ends_with_the_run),
		seeded_test(no_memory),
		seeded_test(hostile_descriptors),
		seeded_test(rings_change_underfoot),
		seeded_test(copies_through_gaps),
		seeded_test(drained_pages_are_left_alone),
		seeded_test(resubmission_is_limited),
	};

	return cmocka_run_group_tests_name("copy_fault", tests, NULL, NULL);
}
