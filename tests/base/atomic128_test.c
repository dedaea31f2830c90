/* SPDX-License-Identifier: MIT */
/* No load sees half of a 16-byte store, and 8-byte accesses of the halves lose nothing. */
#include "base_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "base/atomic128.h"

#define ROUNDS (BUILD_TSAN ? 20000 : 200000)

struct shared {
	struct u128 word;
	struct u128 cas_word;
	_Atomic uint64_t failed;
	_Atomic uint64_t loads;
	_Atomic unsigned int waiting;		/* threads that have not arrived yet */
	atomic_bool stop;
};

/* Both halves of a value that was stored as one are related. */
static struct u128 make(uint64_t n)
{
	return (struct u128) { .lo = n, .hi = ~(n * UINT64_C(0x9e3779b97f4a7c15)) };
}

static bool whole(struct u128 v)
{
	return v.hi == make(v.lo).hi;
}

static void *reader(void *opaque)
{
	struct shared *s = opaque;
	struct u128 v;

	pin_thread(1);
	while (!atomic_load_explicit(&s->stop, memory_order_relaxed)) {
		v = a128_load(&s->word);
		if (!whole(v))
			atomic_fetch_add(&s->failed, 1);
		/* A failing comparison must return one value too. */
		v = (struct u128) { 1, 1 };
		if (a128_cas(&s->word, &v, v) || !whole(v))
			atomic_fetch_add(&s->failed, 1);
		atomic_fetch_add_explicit(&s->loads, 1, memory_order_relaxed);
	}
	return NULL;
}

static void stores_do_not_tear(void **state)
{
	struct shared s = { .word = make(0) };
	pthread_t thread;

	(void)state;
	if (!a128_available())
		skip();
	pin_thread(0);
	assert_int_equal(pthread_create(&thread, NULL, reader, &s), 0);
	for (uint64_t i = 2; i < ROUNDS || atomic_load(&s.loads) < ROUNDS; i++)
		a128_store(&s.word, make(i));
	atomic_store(&s.stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(atomic_load(&s.failed), 0);
}

/* All at once, or the first is done before the last begins. */
static void arrive(struct shared *s)
{
	pin_thread(atomic_fetch_sub(&s->waiting, 1));
	while (atomic_load(&s->waiting))
		;
}

/* 128-bit steps of the low half, by two threads. */
static void *counter(void *opaque)
{
	struct shared *s = opaque;

	arrive(s);
	for (uint64_t i = 0; i < ROUNDS; i++) {
		struct u128 v = a128_load(&s->cas_word);

		while (!a128_cas(&s->cas_word, &v, (struct u128) { v.lo + 1, v.hi }))
			;
	}
	return NULL;
}

/* 64-bit steps of the high half meanwhile: neither kind may overwrite the other. */
static void *half_counter(void *opaque)
{
	struct shared *s = opaque;

	arrive(s);
	for (uint64_t i = 0; i < ROUNDS; i++)
		__atomic_fetch_add(&s->cas_word.hi, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void mixed_sizes_lose_nothing(void **state)
{
	struct shared s = { .waiting = 3 };
	pthread_t thread[3];

	(void)state;
	if (!a128_available())
		skip();
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, i == 1 ? half_counter : counter, &s), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(s.cas_word.lo, ROUNDS * 2);
	assert_int_equal(s.cas_word.hi, ROUNDS);
}

/* A store is a release and a load an acquire: TSan would report the plain accesses otherwise. */
static uint64_t payload;

static void *publisher(void *opaque)
{
	struct shared *s = opaque;

	payload = 42;
	a128_store(&s->word, make(1));
	return NULL;
}

static void publishes(void **state)
{
	struct shared s = { .word = make(0) };
	pthread_t thread;

	(void)state;
	if (!a128_available())
		skip();
	assert_int_equal(pthread_create(&thread, NULL, publisher, &s), 0);
	while (a128_load(&s.word).lo != 1)
		;
	assert_int_equal(payload, 42);
	pthread_join(thread, NULL);
}

static void single_threaded_results(void **state)
{
	struct u128 w = { 1, 2 }, e = { 1, 3 };

	(void)state;
	if (!a128_available())
		skip();
	assert_false(a128_cas(&w, &e, (struct u128) { 7, 8 }));
	assert_true(e.lo == 1 && e.hi == 2 && w.lo == 1 && w.hi == 2);
	e = (struct u128) { 2, 2 };
	assert_false(a128_cas(&w, &e, (struct u128) { 7, 8 }));
	assert_true(a128_cas(&w, &e, (struct u128) { 7, 8 }));
	assert_true(w.lo == 7 && w.hi == 8 && e.lo == 1 && e.hi == 2);
	a128_store(&w, (struct u128) { 0, 0 });
	e = a128_load(&w);
	assert_true(e.lo == 0 && e.hi == 0);
#if defined(__x86_64__)
	/* The way of a CPU without AVX is right too. */
	bool moves = a128_moves;

	a128_moves = false;
	a128_store(&w, (struct u128) { 5, 6 });
	e = a128_load(&w);
	assert_true(e.lo == 5 && e.hi == 6);
	a128_moves = moves;
#endif
}

static void loads_read_only_memory(void **state)
{
	struct u128 *p, v;

	(void)state;
#if defined(__x86_64__)
	if (!a128_moves)
		skip();
#else
	skip();
#endif
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(p != MAP_FAILED);
	p[3] = make(9);
	assert_int_equal(mprotect(p, 4096, PROT_READ), 0);
	v = a128_load(&p[3]);
	assert_true(whole(v) && v.lo == 9);
	munmap(p, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_threaded_results),
		cmocka_unit_test(loads_read_only_memory),
		cmocka_unit_test(stores_do_not_tear),
		cmocka_unit_test(mixed_sizes_lose_nothing),
		cmocka_unit_test(publishes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
