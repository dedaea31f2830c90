/* SPDX-License-Identifier: MIT */
/*
 * The memory map against a flat array: pointer and accessor regions, ranges that
 * straddle, overlaps, atomic sizes, and regions that go away under readers.
 */
#include "base_test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uiommu/ctx.h>

#include "base/alloc.h"
#include "base/mem.h"
#include "base/quiesce.h"
#include "base/rcu.h"
#include "base/sanitize.h"
#include "base/task.h"

#define PAGE UIOMMU_PAGE_SIZE
#define SPACE_PAGES 16
#define SPACE (SPACE_PAGES * PAGE)
#define BASE UINT64_C(0x7000000000)
#define WORD_ROUNDS (BUILD_TSAN ? 20000u : 200000u)

struct accessor {
	unsigned char *bytes;
	uint64_t size;
	int fail;
	unsigned int calls;
};

static int accessor_read(void *opaque, uint64_t off, void *buf, size_t len)
{
	struct accessor *a = opaque;

	a->calls++;
	if (a->fail || off + len > a->size)
		return a->fail ? a->fail : -ERANGE;
	memcpy(buf, a->bytes + off, len);
	return 0;
}

static int accessor_write(void *opaque, uint64_t off, const void *buf, size_t len)
{
	struct accessor *a = opaque;

	a->calls++;
	if (a->fail || off + len > a->size)
		return a->fail ? a->fail : -ERANGE;
	memcpy(a->bytes + off, buf, len);
	return 0;
}

static const struct uiommu_mem_ops accessor_ops = { .read = accessor_read, .write = accessor_write };

/* A small address space and what is true of it. */
struct world {
	struct alloc a;
	struct quiesce q;
	struct mem *mem;
	unsigned char *host;			/* memory of all regions, at their offset */
	unsigned char shadow[SPACE];
	int region_of[SPACE_PAGES];		/* first page of the page's region, or -1 */
	struct accessor acc[SPACE_PAGES];	/* by first page; size 0: pointer */
	int pages_of[SPACE_PAGES];		/* by first page; 0: none begins here */
};

static void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	alloc_init(&w->a, NULL, NULL);
	quiesce_init(&w->q);
	assert_int_equal(mem_create(&w->a, &w->q, &w->mem), 0);
	w->host = aligned_alloc(PAGE, SPACE);
	assert_non_null(w->host);
	memset(w->host, 0, SPACE);
	for (int i = 0; i < SPACE_PAGES; i++)
		w->region_of[i] = -1;
}

static void world_fini(struct world *w)
{
	mem_destroy(w->mem);
	assert_int_equal(alloc_live(&w->a), 0);
	free(w->host);
}

static void try_add(struct world *w, int first, int pages, bool pointer, uint64_t seed)
{
	uint64_t size = (uint64_t)pages * PAGE, off = (uint64_t)first * PAGE;
	bool overlap = false;
	int err;

	for (int i = first; i < first + pages; i++)
		overlap |= w->region_of[i] >= 0;
	if (pointer) {
		err = mem_add_pointer(w->mem, BASE + off, size, w->host + off);
	} else {
		struct accessor *a = &w->acc[first];

		if (!overlap)
			*a = (struct accessor) { .bytes = w->host + off, .size = size };
		err = mem_add_accessor(w->mem, BASE + off, size, &accessor_ops, a);
	}
	check_seed(err == (overlap ? -EEXIST : 0), seed);
	if (overlap)
		return;
	if (pointer)
		w->acc[first].size = 0;
	w->pages_of[first] = pages;
	for (int i = first; i < first + pages; i++)
		w->region_of[i] = first;
}

static void try_remove(struct world *w, int first, uint64_t seed)
{
	int pages = w->pages_of[first];

	check_seed(mem_remove(w->mem, BASE + (uint64_t)first * PAGE) == (pages ? 0 : -ENOENT), seed);
	for (int i = first; i < first + pages; i++)
		w->region_of[i] = -1;
	w->pages_of[first] = 0;
}

/* Whether [off, off + len) lies in one region; off may lie anywhere. */
static bool covered(const struct world *w, uint64_t off, size_t len)
{
	int first, last;

	if (off >= SPACE || len > SPACE - off)
		return false;
	first = w->region_of[off / PAGE];
	last = w->region_of[(off + len - 1) / PAGE];
	return first >= 0 && first == last;
}

static void try_copy(struct world *w, uint64_t *state, uint64_t seed)
{
	static const size_t lens[] = { 1, 7, 8, 9, 15, 16, 63, 64, 65, 100, 128, 200, 4096, 5000 };
	size_t len = lens[rnd_below(state, sizeof(lens) / sizeof(lens[0]))];
	uint64_t off = rnd_below(state, SPACE);
	unsigned char buf[5008];
	unsigned char *b = buf + rnd_below(state, 8);	/* the private side may be anywhere too */
	bool ok = covered(w, off, len);

	if (rnd_below(state, 2)) {
		for (size_t i = 0; i < len; i++)
			b[i] = (unsigned char)rnd(state);
		check_seed(mem_write(w->mem, BASE + off, b, len) == (ok ? 0 : -EIO), seed);
		if (ok)
			memcpy(w->shadow + off, b, len);
	} else {
		memset(buf, 0xa5, sizeof(buf));
		check_seed(mem_read(w->mem, BASE + off, b, len) == (ok ? 0 : -EIO), seed);
		check_seed(!ok || !memcmp(b, w->shadow + off, len), seed);
		/* Not a byte more than asked for. */
		check_seed(b[len] == 0xa5, seed);
	}
}

static void try_words(struct world *w, uint64_t *state, uint64_t seed)
{
	static const size_t sizes[] = { 4, 8, 16 };
	size_t size = sizes[rnd_below(state, 3)];
	uint64_t off = rnd_below(state, SPACE) & ~(uint64_t)3;
	int want = off % size ? -EINVAL : covered(w, off, size) ? 0 : -EIO;
	struct u128 v = { rnd(state), rnd(state) }, got = { 0, 0 };
	bool pointer;

	if (size == 4)
		check_seed(mem_store32(w->mem, BASE + off, (uint32_t)v.lo) == want, seed);
	else if (size == 8)
		check_seed(mem_store64(w->mem, BASE + off, v.lo) == want, seed);
	else
		check_seed(mem_store128(w->mem, BASE + off, v) == want, seed);
	if (size == 8)
		check_seed(mem_load64(w->mem, BASE + off, &got.lo) == want, seed);
	else if (size == 16)
		check_seed(mem_load128(w->mem, BASE + off, &got) == want, seed);
	if (want) {
		check_seed(size != 8 || mem_cas64(w->mem, BASE + off, &got.lo, 1) == want, seed);
		return;
	}
	memcpy(w->shadow + off, &v, size);
	if (size == 16) {
		check_seed(got.lo == v.lo && got.hi == v.hi, seed);
	} else if (size == 8) {
		pointer = !w->acc[w->region_of[off / PAGE]].size;
		check_seed(got.lo == v.lo, seed);
		check_seed(mem_cas64(w->mem, BASE + off, &got.lo, 77) == (pointer ? 0 : -EOPNOTSUPP), seed);
		if (!pointer)
			return;
		got.lo = 78;
		check_seed(mem_cas64(w->mem, BASE + off, &got.lo, 5) == -EAGAIN && got.lo == 77, seed);
		memcpy(w->shadow + off, &got.lo, 8);
	}
}

static void one_run(uint64_t seed)
{
	struct world *w = malloc(sizeof(*w));
	uint64_t state = seed;

	assert_non_null(w);
	world_init(w);
	for (int step = 0; step < 1500; step++) {
		int first = (int)rnd_below(&state, SPACE_PAGES);
		int pages = 1 + (int)rnd_below(&state, 4);

		switch (rnd_below(&state, 20)) {
		case 0:
			if (first + pages <= SPACE_PAGES)
				try_add(w, first, pages, rnd_below(&state, 2), seed);
			break;
		case 1:
			if (rnd_below(&state, 2))
				try_remove(w, first, seed);
			break;
		case 2: case 3: case 4: case 5: case 6: case 7:
			try_words(w, &state, seed);
			break;
		default:
			try_copy(w, &state, seed);
		}
	}
	world_fini(w);
	free(w);
}

static void like_an_array(void **state)
{
	uint64_t seed = (uint64_t)time(NULL);

	(void)state;
	for (int i = 0; i < 8; i++)
		one_run(seed + (uint64_t)i);
}

static void refuses(void **state)
{
	struct uiommu_mem_ops no_write = { .read = accessor_read };
	struct accessor acc = { 0 };
	struct world w;
	uint64_t v;

	(void)state;
	world_init(&w);
	assert_int_equal(mem_add_pointer(w.mem, 1, PAGE, w.host), -EINVAL);
	assert_int_equal(mem_add_pointer(w.mem, 0, PAGE - 1, w.host), -EINVAL);
	assert_int_equal(mem_add_pointer(w.mem, 0, 0, w.host), -EINVAL);
	assert_int_equal(mem_add_pointer(w.mem, 0, PAGE, NULL), -EINVAL);
	assert_int_equal(mem_add_pointer(w.mem, 0, PAGE, w.host + 8), -EINVAL);
	assert_int_equal(mem_add_pointer(w.mem, UINT64_MAX - PAGE + 1, 2 * PAGE, w.host), -EINVAL);
	assert_int_equal(mem_add_accessor(w.mem, 0, PAGE, NULL, &acc), -EINVAL);
	assert_int_equal(mem_add_accessor(w.mem, 0, PAGE, &no_write, &acc), -EINVAL);
	/* The last page of the address space is a page like any other; nothing wraps. */
	assert_int_equal(mem_add_pointer(w.mem, UINT64_MAX - PAGE + 1, PAGE, w.host), 0);
	assert_int_equal(mem_store64(w.mem, UINT64_MAX - 7, 3), 0);
	assert_int_equal(mem_read(w.mem, UINT64_MAX - 7, &v, 8), 0);
	assert_int_equal(v, 3);
	assert_int_equal(mem_read(w.mem, UINT64_MAX - 6, &v, 8), -EIO);
	assert_int_equal(mem_read(w.mem, 0, &v, 8), -EIO);
	assert_int_equal(mem_read(w.mem, 0, &v, 0), 0);
	assert_int_equal(mem_write(w.mem, 0, &v, 0), 0);
	/* What an accessor says becomes the bus's error. */
	acc = (struct accessor) { .bytes = w.host, .size = PAGE, .fail = -ENODEV };
	assert_int_equal(mem_add_accessor(w.mem, 0, PAGE, &accessor_ops, &acc), 0);
	assert_int_equal(mem_read(w.mem, 0, &v, 8), -EIO);
	assert_int_equal(mem_write(w.mem, 0, &v, 8), -EIO);
	assert_int_equal(mem_load64(w.mem, 0, &v), -EIO);
	assert_int_equal(mem_store64(w.mem, 0, v), -EIO);
	assert_int_equal(acc.calls, 4);
	world_fini(&w);
}

static void each_allocation_fails(void **state)
{
	struct world w;
	struct mem *mem;

	(void)state;
	world_init(&w);
	for (long n = 1; n <= 2; n++) {
		alloc_fail_nth(&w.a, n);
		assert_int_equal(mem_create(&w.a, &w.q, &mem), -ENOMEM);
	}
	alloc_fail_nth(&w.a, 1);
	assert_int_equal(mem_add_pointer(w.mem, 0, PAGE, w.host), -ENOMEM);
	assert_int_equal(mem_store32(w.mem, 0, 1), -EIO);
	assert_int_equal(mem_add_pointer(w.mem, 0, PAGE, w.host), 0);
	alloc_fail_nth(&w.a, 1);
	assert_int_equal(mem_remove(w.mem, 0), -ENOMEM);
	assert_int_equal(mem_store32(w.mem, 0, 1), 0);
	world_fini(&w);
}

/* Readers under removal: all or nothing, and never memory that was given back. */
struct race {
	struct world *w;
	bool batch;		/* reads inside agent batches, else in RCU sections */
	atomic_bool stop;
	_Atomic unsigned int read, missing, wrong;
};

static void *race_reader(void *opaque)
{
	struct uiommu_agent agent = { 0 };
	struct race *r = opaque;
	unsigned char buf[256];
	int err;

	if (r->batch)
		quiesce_add(&r->w->q, &agent);
	while (!atomic_load_explicit(&r->stop, memory_order_relaxed)) {
		if (r->batch)
			agent_begin(&agent);
		else
			rcu_section_begin();
		err = mem_read(r->w->mem, BASE + 64, buf, sizeof(buf));
		if (r->batch)
			agent_end(&agent);
		else
			rcu_section_end();
		atomic_fetch_add(err ? &r->missing : &r->read, 1);
		for (size_t i = 0; !err && i < sizeof(buf); i++)
			if (buf[i] != 0x11)
				atomic_fetch_add(&r->wrong, 1);
	}
	if (r->batch)
		quiesce_del(&r->w->q, &agent);
	return NULL;
}

static void removal_under_readers(void **state)
{
	struct race r[2];
	pthread_t thread[2];
	struct world w;

	(void)state;
	world_init(&w);
	for (int i = 0; i < 2; i++) {
		memset(&r[i], 0, sizeof(r[i]));
		r[i].w = &w;
		r[i].batch = i;
		assert_int_equal(pthread_create(&thread[i], NULL, race_reader, &r[i]), 0);
	}
	for (int i = 0; i < 400 || !r[0].read || !r[1].read; i++) {
		unsigned char *page = aligned_alloc(PAGE, PAGE);

		memset(page, 0x11, PAGE);
		assert_int_equal(mem_add_pointer(w.mem, BASE, PAGE, page), 0);
		for (volatile int spin = 0; spin < 2000; spin++)
			;
		assert_int_equal(mem_remove(w.mem, BASE), 0);
		memset(page, 0xdd, PAGE);
		free(page);
	}
	for (int i = 0; i < 2; i++) {
		atomic_store(&r[i].stop, true);
		pthread_join(thread[i], NULL);
		assert_int_equal(r[i].wrong, 0);
	}
	world_fini(&w);
}

/* A reader inside an accessor of the region: removal must not return before its batch or section ends. */
struct slow {
	struct world *w;
	bool batch;
	atomic_bool inside, removed;
	bool too_early;
};

static int slow_read(void *opaque, uint64_t off, void *buf, size_t len)
{
	struct task_spin spin = { 0 };
	struct slow *s = opaque;

	(void)off;
	memset(buf, 0, len);
	atomic_store(&s->inside, true);
	for (int i = 0; i < 20000; i++)
		task_relax(&spin);
	s->too_early = atomic_load(&s->removed);
	return 0;
}

static int slow_write(void *opaque, uint64_t off, const void *buf, size_t len)
{
	(void)opaque;
	(void)off;
	(void)buf;
	(void)len;
	return 0;
}

static const struct uiommu_mem_ops slow_ops = { .read = slow_read, .write = slow_write };

static void *slow_reader(void *opaque)
{
	struct uiommu_agent agent = { 0 };
	struct slow *s = opaque;
	uint64_t val;

	if (s->batch) {
		quiesce_add(&s->w->q, &agent);
		agent_begin(&agent);
	} else {
		rcu_section_begin();
	}
	mem_read(s->w->mem, BASE, &val, sizeof(val));
	if (s->batch) {
		agent_end(&agent);
		quiesce_del(&s->w->q, &agent);
	} else {
		rcu_section_end();
	}
	return NULL;
}

static void removal_waits(void **state)
{
	struct task_spin spin = { 0 };
	struct slow s[2];
	pthread_t thread;
	struct world w;

	(void)state;
	world_init(&w);
	for (int i = 0; i < 2; i++) {
		memset(&s[i], 0, sizeof(s[i]));
		s[i].w = &w;
		s[i].batch = i;
		assert_int_equal(mem_add_accessor(w.mem, BASE, PAGE, &slow_ops, &s[i]), 0);
		assert_int_equal(pthread_create(&thread, NULL, slow_reader, &s[i]), 0);
		while (!atomic_load(&s[i].inside))
			task_relax(&spin);
		assert_int_equal(mem_remove(w.mem, BASE), 0);
		atomic_store(&s[i].removed, true);
		pthread_join(thread, NULL);
		assert_false(s[i].too_early);
	}
	world_fini(&w);
}

/*
 * A writer of two values in turn and a reader: each aligned word is one of the two,
 * whole. Once by the moves for runs of words, once word by word.
 */
struct words {
	struct world *w;
	size_t n;
	_Atomic unsigned int writes;
	atomic_bool stop;
};

static void *word_writer(void *opaque)
{
	struct words *r = opaque;
	unsigned char val[2][256];

	pin_thread(1);
	memset(val[0], 0x11, sizeof(val[0]));
	memset(val[1], 0x22, sizeof(val[1]));
	while (!atomic_load_explicit(&r->stop, memory_order_relaxed))
		mem_write(r->w->mem, BASE + 8, val[r->writes++ % 2], r->n * 8);
	return NULL;
}

static void words_are_single(struct world *w, size_t n)
{
	struct words r = { .w = w, .n = n };
	pthread_t thread;
	uint64_t val[32];

	pin_thread(0);
	memset(w->host, 0x11, PAGE);
	assert_int_equal(pthread_create(&thread, NULL, word_writer, &r), 0);
	for (unsigned int i = 0; i < WORD_ROUNDS || atomic_load(&r.writes) < WORD_ROUNDS; i++) {
		assert_int_equal(mem_read(w->mem, BASE + 8, val, n * 8), 0);
		for (size_t k = 0; k < n; k++)
			if (val[k] != UINT64_C(0x1111111111111111) && val[k] != UINT64_C(0x2222222222222222))
				fail_msg("torn: %llx", (unsigned long long)val[k]);
	}
	atomic_store(&r.stop, true);
	pthread_join(thread, NULL);
}

static void words_of_copies_are_single(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	assert_int_equal(mem_add_pointer(w.mem, BASE, PAGE, w.host), 0);
	words_are_single(&w, 2);
	words_are_single(&w, 32);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(like_an_array),
		cmocka_unit_test(refuses),
		cmocka_unit_test(each_allocation_fails),
		cmocka_unit_test(removal_under_readers),
		cmocka_unit_test(removal_waits),
		cmocka_unit_test(words_of_copies_are_single),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
