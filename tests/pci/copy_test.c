/* SPDX-License-Identifier: MIT */
/*
 * The copy engine against a reference that works on a flat array: random
 * descriptors, every alignment, both kinds of memory, several threads, MSIs,
 * registers and runs. Runs in production and steered.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/choice.h"
#include "pci/rig.h"

#ifdef UIOMMU_STEERED
#define SEEDS 20
#else
#define SEEDS 4
#endif

static const uiommu_pa_t memories[] = { MOCK_POINTER_PA, MOCK_ACCESSOR_PA };

static void run_one(struct rig *rig, const struct uiommu_copy_desc *d)
{
	struct uiommu_copy_done done;

	assert_int_equal(copy_client_do(rig->client, d, &done), 0);
	assert_int_equal(done.status, UIOMMU_COPY_OK);
	assert_int_equal(done.cookie, d->cookie);
	assert_int_equal(done.iova, 0);
	if (d->op != UIOMMU_COPY_OP_NOP)
		assert_int_equal(done.bytes, d->len);
	assert_int_equal(done.crc,
			 d->op == UIOMMU_COPY_OP_CRC32C ? rig_crc32c(&rig->data[d->src], d->len) : 0);
	rig_execute(rig, d, d->len);
}

static void random_work(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct rig_opts opts = { .mem = memories[seed % 2], .seed = seed, .pasid = seed % 3 * 77 };
		struct rig *rig = rig_create(&opts);

		rig_scramble(rig);
		for (int i = 0; i < 100; i++) {
			struct uiommu_copy_desc d = rig_random_desc(rig, i % 10 ? 9000 : 100000);

			run_one(rig, &d);
		}
		rig_check(rig);
		assert_int_equal(uiommu_copy_read(rig->copy, UIOMMU_COPY_BLOCKED), 0);
		assert_int_equal(uiommu_copy_read(rig->copy, UIOMMU_COPY_ACCESSES), rig->m->accesses);
		rig_destroy(rig);
	}
}

/* One engine thread works in order, so descriptors may depend on those before them. */
static void many_in_flight(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct rig_opts opts = { .mem = memories[seed % 2], .seed = seed, .size_lg2 = 3 };
		struct rig *rig = rig_create(&opts);
		struct task_spin spin = { 0 };
		struct uiommu_copy_done done;
		uint64_t cookie = 0, collected = 0;
		int ret;

		rig_scramble(rig);
		while (collected < 200) {
			struct uiommu_copy_desc d = rig_random_desc(rig, 5000);

			d.cookie = cookie;
			if (cookie < 200 && !copy_client_submit(rig->client, &d)) {
				rig_execute(rig, &d, d.len);
				cookie++;
				continue;
			}
			copy_client_kick(rig->client);
			while (!(ret = copy_client_poll(rig->client, &done)))
				task_relax(&spin);
			assert_int_equal(ret, 1);
			assert_int_equal(done.status, UIOMMU_COPY_OK);
			assert_int_equal(done.cookie, collected++);
		}
		rig_check(rig);
		assert_int_equal(copy_client_pending(rig->client), 0);
		rig_destroy(rig);
	}
}

static void all_alignments(void **state)
{
	(void)state;
	for (int mem = 0; mem < 2; mem++) {
		struct rig_opts opts = { .mem = memories[mem] };
		struct rig *rig = rig_create(&opts);

		rig_scramble(rig);
		for (uint64_t src = 0; src < 9; src++)
			for (uint64_t dst = 0; dst < 9; dst++) {
				static const uint64_t lens[] = { 0, 1, 7, 8, 9, 33 };

				for (size_t l = 0; l < sizeof(lens) / sizeof(lens[0]); l++) {
					struct uiommu_copy_desc d = {
						.op = UIOMMU_COPY_OP_COPY + (src + dst + l) % 3,
						.src = 0x1000 - 4 + src,
						.dst = 0x5000 - 4 + dst,
						.len = lens[l],
						.pattern = src * UINT64_C(0x0123456789abcdef),
					};

					run_one(rig, &d);
				}
			}
		rig_check(rig);
		rig_destroy(rig);
	}
}

static void fill_follows_the_start(void **state)
{
	struct rig_opts opts = { 0 };
	struct rig *rig = rig_create(&opts);
	struct uiommu_copy_desc d = {
		.op = UIOMMU_COPY_OP_FILL, .dst = 0xffd, .len = 11, .pattern = UINT64_C(0x8877665544332211)
	};

	(void)state;
	run_one(rig, &d);
	assert_memory_equal(mock_at(rig->m, 0xffd), "\x11\x22\x33", 3);
	assert_memory_equal(mock_at(rig->m, 0x1000), "\x44\x55\x66\x77\x88\x11\x22\x33\0", 9);
	rig_destroy(rig);
}

static void last_byte_of_the_address_space(void **state)
{
	struct rig_opts opts = { 0 };
	struct rig *rig = rig_create(&opts);
	struct uiommu_copy_desc d = { .op = UIOMMU_COPY_OP_CRC32C, .src = UINT64_MAX - 9, .len = 10 };
	struct uiommu_copy_done done;

	(void)state;
	assert_int_equal(copy_client_do(rig->client, &d, &done), -EFAULT);
	assert_int_equal(done.iova, UINT64_MAX - 9);
	d.len = 11;
	assert_int_equal(copy_client_do(rig->client, &d, &done), -EINVAL);
	rig_destroy(rig);
}

/* Threads finish in any order, on targets of their own. */
static void several_threads(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct rig_opts opts = { .mem = memories[seed % 2],
					 .seed = seed,
					 .threads = 2 + seed % 3,
					 .size_lg2 = 1 + seed % 5 };
		struct rig *rig = rig_create(&opts);
		uiommu_iova_t src[RIG_PAGES / 2], dst[RIG_PAGES / 2];
		struct copy_pages job = { .src = src, .dst = dst, .n = RIG_PAGES / 2 };
		struct copy_client_stats stats;

		rig_scramble(rig);
		job.bytes = job.n * UIOMMU_PAGE_SIZE - seed;
		for (size_t i = 0; i < job.n; i++) {
			src[i] = (i * 7 + seed) % job.n * UIOMMU_PAGE_SIZE;
			dst[i] = (job.n + i * 5 % job.n) * UIOMMU_PAGE_SIZE;
		}
		assert_int_equal(copy_pages_run(rig->client, &job), 0);
		for (size_t i = 0; i < job.n; i++)
			memcpy(&rig->data[dst[i]], &rig->data[src[i]],
			       UIOMMU_PAGE_SIZE - (i == job.n - 1 ? seed : 0));
		rig_check(rig);
		stats = copy_client_stats(rig->client);
		assert_int_equal(stats.completed, job.n);
		assert_int_equal(stats.resubmitted + stats.failed, 0);
		assert_true(stats.longest_ns > 0);
		rig_destroy(rig);
	}
}

static void wait_for_msis(struct rig *rig, uint64_t n)
{
	struct task_spin spin = { 0 };

	while (atomic_load(&rig->m->msis) < n)
		task_relax(&spin);
}

static void msis(void **state)
{
	struct rig_opts opts = { .pasid = 5 };
	struct rig *rig = rig_create(&opts);
	struct uiommu_copy_desc d = { .op = UIOMMU_COPY_OP_NOP, .flags = UIOMMU_COPY_DESC_MSI, .cookie = 1 };
	const uint64_t enable = UIOMMU_COPY_CTRL_ENABLE;
	uint64_t before;

	(void)state;
	uiommu_copy_write(rig->copy, UIOMMU_COPY_MSI_ADDR, 0xfee12345);
	uiommu_copy_write(rig->copy, UIOMMU_COPY_MSI_DATA, UINT64_C(0xabcd0000cafe));
	assert_int_equal(uiommu_copy_read(rig->copy, UIOMMU_COPY_MSI_ADDR), 0xfee12344);
	run_one(rig, &d);
	uiommu_copy_write(rig->copy, UIOMMU_COPY_CTRL, enable | UIOMMU_COPY_CTRL_MSI);
	d.flags = 0;
	run_one(rig, &d);
	d.flags = UIOMMU_COPY_DESC_MSI;
	run_one(rig, &d);
	run_one(rig, &d);
	wait_for_msis(rig, 2);
	assert_int_equal(rig->m->last_msi_addr, 0xfee12344);
	assert_int_equal(rig->m->last_msi_data, 0xcafe);
	assert_int_equal(uiommu_copy_read(rig->copy, UIOMMU_COPY_HEAD), 4);

	/* An MSI that is an ordinary write and blocked: counted, lost, nothing else. */
	uiommu_copy_write(rig->copy, UIOMMU_COPY_MSI_ADDR, RIG_HOLE);
	atomic_store(&rig->m->want_pasid, UIOMMU_NO_PASID);
	before = uiommu_copy_read(rig->copy, UIOMMU_COPY_BLOCKED);
	rig->m->broken_rules = 0;
	run_one(rig, &d);
	copy_client_destroy(rig->client);
	rig->client = NULL;
	assert_int_equal(uiommu_copy_read(rig->copy, UIOMMU_COPY_BLOCKED), before + 1);
	assert_int_equal(rig->m->msis, 2);
	/* The mock was told that no access carries the PASID, only the MSI did not. */
	assert_true(rig->m->broken_rules > 0);
	rig->m->broken_rules = 0;
	rig_destroy(rig);
}

/* HEAD never counts a descriptor that is not complete, and an MSI finds it counted. */
static void head_counts_in_order(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct rig_opts opts = { .seed = seed, .threads = 4, .size_lg2 = 4, .no_client = true };
		struct rig *rig = rig_create(&opts);
		struct uiommu_copy_desc *ring = rig->rings;
		volatile struct uiommu_copy_done *done = (void *)(ring + 16);
		struct task_spin spin = { 0 };
		uint64_t head;

		for (unsigned int i = 0; i < 16; i++)
			ring[i] = (struct uiommu_copy_desc){
				.op = UIOMMU_COPY_OP_FILL, .dst = i * 0x5000, .len = i % 4 * 9000, .cookie = i
			};
		uiommu_copy_write(rig->copy, UIOMMU_COPY_RING, RIG_RINGS);
		uiommu_copy_write(rig->copy, UIOMMU_COPY_DONE, RIG_RINGS + 16 * sizeof(*ring));
		uiommu_copy_write(rig->copy, UIOMMU_COPY_SIZE, 4);
		uiommu_copy_write(rig->copy, UIOMMU_COPY_CTRL, UIOMMU_COPY_CTRL_ENABLE);
		uiommu_copy_write(rig->copy, UIOMMU_COPY_TAIL, 16);
		do {
			head = uiommu_copy_read(rig->copy, UIOMMU_COPY_HEAD);
			assert_true(head <= 16);
			for (uint64_t i = 0; i < head; i++)
				assert_int_equal(__atomic_load_n(&done[i].status, __ATOMIC_ACQUIRE),
						 UIOMMU_COPY_OK);
			task_relax(&spin);
		} while (head < 16);
		assert_int_equal(uiommu_copy_read(rig->copy, UIOMMU_COPY_TAIL), 16);
		rig_destroy(rig);
	}
}

static uint64_t status_of(struct rig *rig)
{
	return uiommu_copy_read(rig->copy, UIOMMU_COPY_STATUS);
}

static void expect_error(struct rig *rig)
{
	uiommu_copy_write(rig->copy, UIOMMU_COPY_CTRL, UIOMMU_COPY_CTRL_ENABLE);
	assert_int_equal(status_of(rig), UIOMMU_COPY_STATUS_ERROR);
	uiommu_copy_write(rig->copy, UIOMMU_COPY_TAIL, 1);
	assert_int_equal(uiommu_copy_read(rig->copy, UIOMMU_COPY_TAIL), 0);
	uiommu_copy_write(rig->copy, UIOMMU_COPY_CTRL, 0);
	assert_int_equal(status_of(rig), 0);
}

static void registers(void **state)
{
	struct rig_opts opts = { .no_client = true };
	struct rig *rig = rig_create(&opts);
	struct uiommu_copy *c = rig->copy;
	static const unsigned int writable[] = {
		UIOMMU_COPY_RING,  UIOMMU_COPY_DONE,	 UIOMMU_COPY_SIZE,
		UIOMMU_COPY_PASID, UIOMMU_COPY_MSI_ADDR, UIOMMU_COPY_MSI_DATA
	};

	(void)state;
	assert_int_equal(uiommu_copy_read(c, UIOMMU_COPY_PASID), UIOMMU_COPY_PASID_NONE);
	for (size_t i = 0; i < sizeof(writable) / sizeof(writable[0]); i++) {
		uiommu_copy_write(c, writable[i], 0x40);
		assert_int_equal(uiommu_copy_read(c, writable[i]), 0x40);
	}
	for (unsigned int reg = 0x58; reg < 0x200; reg++) {
		uiommu_copy_write(c, reg, UINT64_MAX);
		assert_int_equal(uiommu_copy_read(c, reg), 0);
	}
	uiommu_copy_write(c, UIOMMU_COPY_HEAD, 5);
	uiommu_copy_write(c, UIOMMU_COPY_STATUS, 3);
	assert_int_equal(uiommu_copy_read(c, UIOMMU_COPY_HEAD), 0);
	assert_int_equal(status_of(rig), 0);

	expect_error(rig); /* size 64 */
	uiommu_copy_write(c, UIOMMU_COPY_SIZE, 0);
	expect_error(rig);
	uiommu_copy_write(c, UIOMMU_COPY_SIZE, 17);
	expect_error(rig);
	uiommu_copy_write(c, UIOMMU_COPY_SIZE, 16);
	uiommu_copy_write(c, UIOMMU_COPY_RING, 0x20); /* not aligned */
	expect_error(rig);
	uiommu_copy_write(c, UIOMMU_COPY_RING, 0x40);
	uiommu_copy_write(c, UIOMMU_COPY_DONE, 0x10);
	expect_error(rig);
	uiommu_copy_write(c, UIOMMU_COPY_DONE, -UINT64_C(32)); /* ends beyond 2^64 */
	expect_error(rig);
	uiommu_copy_write(c, UIOMMU_COPY_DONE, -(UINT64_C(32) << 16)); /* ends at 2^64 */
	uiommu_copy_write(c, UIOMMU_COPY_PASID, 1 << 20);
	expect_error(rig);
	uiommu_copy_write(c, UIOMMU_COPY_PASID, (1 << 20) - 1);
	uiommu_copy_write(c, UIOMMU_COPY_CTRL, UIOMMU_COPY_CTRL_ENABLE);
	assert_int_equal(status_of(rig), UIOMMU_COPY_STATUS_RUNNING);
	rig_destroy(rig);
}

static void tail_out_of_range(void **state)
{
	struct rig_opts opts = { .size_lg2 = 2 };
	static const uint32_t bad[] = { 7, 1, 0, UINT32_MAX, 0x80000000u };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct rig *rig = rig_create(&opts);
		struct uiommu_copy_desc d = { .op = UIOMMU_COPY_OP_NOP };
		struct task_spin spin = { 0 };

		run_one(rig, &d);
		run_one(rig, &d);
		while (uiommu_copy_read(rig->copy, UIOMMU_COPY_HEAD) != 2)
			task_relax(&spin);
		uiommu_copy_write(rig->copy, UIOMMU_COPY_TAIL, 2);
		assert_false(status_of(rig) & UIOMMU_COPY_STATUS_ERROR);
		uiommu_copy_write(rig->copy, UIOMMU_COPY_TAIL, bad[i]);
		assert_true(status_of(rig) & UIOMMU_COPY_STATUS_ERROR);
		rig_destroy(rig);
	}
}

/* A run that is dropped in the middle of work, and at once another one. */
static void reset_and_start_again(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct rig_opts opts = { .seed = seed, .threads = 3, .size_lg2 = 4 };
		struct rig *rig = rig_create(&opts);
		struct copy_client_opts again = {
			.alloc = &rig->m->ctx->alloc,
			.copy = rig->copy,
			.mem = rig->rings,
			.iova = RIG_RINGS,
			.size_lg2 = 4,
			.pasid = UIOMMU_NO_PASID,
		};

		rig_scramble(rig);
		for (int turn = 0; turn < 20; turn++) {
			struct uiommu_copy_desc d = { .op = UIOMMU_COPY_OP_CRC32C, .len = RIG_BYTES };

			for (int i = 0; i < 10; i++)
				assert_int_equal(copy_client_submit(rig->client, &d), 0);
			copy_client_kick(rig->client);
			for (int i = 0; i < turn; i++)
				choice_interleave(CHOICE_WAIT);
			if (turn % 2) {
				copy_client_destroy(rig->client);
			} else {
				/* Not even waiting for the end of the old run. */
				uiommu_copy_write(rig->copy, UIOMMU_COPY_CTRL, 0);
				uiommu_copy_write(rig->copy, UIOMMU_COPY_CTRL, UIOMMU_COPY_CTRL_ENABLE);
				assert_true(status_of(rig) & UIOMMU_COPY_STATUS_RUNNING);
				copy_client_destroy(rig->client);
			}
			assert_int_equal(status_of(rig), 0);
			assert_int_equal(copy_client_create(&again, &rig->client), 0);
			d.len = 5000;
			run_one(rig, &d);
		}
		rig_check(rig);
		rig_destroy(rig);
	}
}

struct raw_rings {
	struct uiommu_copy_desc *ring;
	struct uiommu_copy_done *done;
};

static void start_run(struct rig *rig, const struct raw_rings *r, unsigned int run, uint64_t len)
{
	for (unsigned int i = 0; i < 4; i++) {
		__atomic_store_n(&r->done[i].status, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&r->ring[i].op, UIOMMU_COPY_OP_CRC32C, __ATOMIC_RELAXED);
		__atomic_store_n(&r->ring[i].len, len * (i % 2), __ATOMIC_RELAXED);
		__atomic_store_n(&r->ring[i].cookie, run * 4 + i, __ATOMIC_RELAXED);
	}
	uiommu_copy_write(rig->copy, UIOMMU_COPY_CTRL, UIOMMU_COPY_CTRL_ENABLE);
	uiommu_copy_write(rig->copy, UIOMMU_COPY_TAIL, 4);
}

/* HEAD, then what it counts: all complete, and of this run. */
static uint64_t check_run(struct rig *rig, const struct raw_rings *r, unsigned int run)
{
	uint64_t head = uiommu_copy_read(rig->copy, UIOMMU_COPY_HEAD);

	for (uint64_t i = 0; i < head; i++) {
		assert_int_equal(__atomic_load_n(&r->done[i].status, __ATOMIC_ACQUIRE), UIOMMU_COPY_OK);
		assert_int_equal(__atomic_load_n(&r->done[i].cookie, __ATOMIC_RELAXED), run * 4 + i);
	}
	return head;
}

/* The run's slots are the new ones at once; work of the old run must not appear in them. */
static void runs_do_not_mix(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < SEEDS * 2; seed++) {
		struct rig_opts opts = { .seed = seed, .threads = 3, .no_client = true };
		struct rig *rig = rig_create(&opts);
		struct raw_rings r = { .ring = rig->rings };
		struct task_spin spin = { 0 };
		uint64_t head;

		r.done = (void *)(r.ring + 4);
		uiommu_copy_write(rig->copy, UIOMMU_COPY_RING, RIG_RINGS);
		uiommu_copy_write(rig->copy, UIOMMU_COPY_DONE, RIG_RINGS + 4 * sizeof(*r.ring));
		uiommu_copy_write(rig->copy, UIOMMU_COPY_SIZE, 2);
		for (unsigned int run = 0; run < 30; run++) {
			start_run(rig, &r, run, run % 4 ? mock_random(&rig->rng) % 60000 : 0);
			if (run % 2) {
				do {
					head = check_run(rig, &r, run);
					task_relax(&spin);
				} while (head < 4);
				/* What an older run still had on its way must not come now. */
				for (int i = 0; i < 20; i++)
					task_relax(&spin);
				assert_int_equal(check_run(rig, &r, run), 4);
			} else {
				for (uint64_t i = mock_random(&rig->rng) % 24; i; i--)
					task_relax(&spin);
			}
			uiommu_copy_write(rig->copy, UIOMMU_COPY_CTRL, 0);
			assert_int_equal(uiommu_copy_read(rig->copy, UIOMMU_COPY_HEAD), 0);
		}
		rig_destroy(rig);
	}
}

static void arguments(void **state)
{
	struct mock *m = mock_create(0);
	struct uiommu_copy *copy;

	(void)state;
	assert_int_equal(uiommu_copy_create(m->ctx, &m->hw, 1, 0, &copy), -EINVAL);
	assert_int_equal(uiommu_copy_create(m->ctx, &m->hw, 1, 17, &copy), -EINVAL);
	assert_int_equal(uiommu_copy_create(m->ctx, &m->hw, 1, 16, &copy), 0);
	assert_non_null(uiommu_copy_port(copy));
	uiommu_copy_destroy(copy);
	uiommu_copy_destroy(NULL);
	mock_destroy(m);
}

static void every_allocation_fails(void **state)
{
	struct mock *m = mock_create(0);
	struct alloc *a = &m->ctx->alloc;
	long live = a->live, n;
	int err = -1;

	(void)state;
	for (n = 1; err; n++) {
		struct uiommu_copy *copy = NULL;
		struct copy_client *client = NULL;
		struct copy_client_opts opts = {
			.alloc = a, .mem = m->pointer, .size_lg2 = 3, .pasid = UIOMMU_NO_PASID
		};

		alloc_fail_nth(a, n);
		err = uiommu_copy_create(m->ctx, &m->hw, 1, 2, &copy);
		if (!err) {
			opts.copy = copy;
			err = copy_client_create(&opts, &client);
		}
		alloc_fail_nth(a, 0);
		assert_true(!err || err == -ENOMEM);
		copy_client_destroy(client);
		uiommu_copy_destroy(copy);
		assert_int_equal(a->live, live);
	}
	assert_true(n > 8);
	mock_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		seeded_test(random_work),
		seeded_test(many_in_flight),
		seeded_test(all_alignments),
		seeded_test(fill_follows_the_start),
		seeded_test(last_byte_of_the_address_space),
		seeded_test(several_threads),
		seeded_test(msis),
		seeded_test(head_counts_in_order),
		seeded_test(registers),
		seeded_test(tail_out_of_range),
		seeded_test(reset_and_start_again),
		seeded_test(runs_do_not_mix),
		seeded_test(arguments),
		seeded_test(every_allocation_fails),
	};

	return cmocka_run_group_tests_name("copy", tests, NULL, NULL);
}
